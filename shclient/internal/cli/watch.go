// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/peer"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// maxEvents may wait until they are written; a server that tells more is held up.
const maxEvents = 1024

// watchFlags are those of watch.
type watchFlags struct {
	server eraFlag
	level  string
	count  int
	limit  time.Duration
	json   bool
}

func (a *app) watchCommand() *cobra.Command {
	var flags watchFlags
	cmd := &cobra.Command{
		Use:   "watch TARGET [URI]...",
		Short: "Show what a server tells: changed resources and lists, log messages",
		Long: `Show what a server tells, one line for each notification, until you interrupt it: that
resources have changed, by their URIs; that the lists of tools, prompts and resources
have; and with --level log messages. Into a pipe a line has the time, the method and
the details, separated by tabs. --json writes the notifications as they are, as one
array that grows.

` + targetHelp,
		Example: `  shclient watch https://example.com/mcp docs://readme --level info --count 20
  shclient watch https://example.com/mcp docs://readme --count 1 --for 10m && make
  shclient watch docs://readme --count 3 -- npx -y some-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, uris, err := a.target(cmd, args)
			switch {
			case err != nil:
				return err
			case flags.level != "" && !slices.Contains(logLevels, flags.level):
				return usage(cmd, "--level %s: want %s", flags.level, strings.Join(logLevels, ", "))
			case flags.count < 0 || flags.limit < 0:
				return usage(cmd, "--count and --for want more than 0")
			}
			return at(t, a.watch(cmd, t, uris, &flags))
		},
	}
	cmd.Flags().Var(&flags.server, "server-protocol", "`era` that the server speaks: auto (it is asked), legacy or modern")
	cmd.Flags().StringVar(&flags.level, "level", "", "also show log messages from this `level` on: "+strings.Join(logLevels, ", "))
	cmd.Flags().IntVar(&flags.count, "count", 0, "end after this `number` of notifications")
	cmd.Flags().DurationVar(&flags.limit, "for", 0, "end after this `time`, such as 10m")
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON array of the notifications")
	return cmd
}

// event is a notification of the server.
type event struct {
	frame []byte
	jsonrpc.Message
}

func (a *app) watch(cmd *cobra.Command, t target, uris []string, flags *watchFlags) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	events := make(chan event, maxEvents)
	o := a.peerOptions(cmd, t, flags.server.era)
	o.Notification = func(frame []byte, m jsonrpc.Message) {
		select {
		case events <- event{frame, m}:
		case <-ctx.Done():
		}
	}
	c, err := peer.Open(ctx, o)
	if err != nil {
		return peerError(t, err)
	}
	defer c.Close()
	defer cancel() // before Close, so that nothing waits to be written
	ended := make(chan error, 1)
	if c.Modern() {
		go func() { ended <- listen(ctx, t, c, uris, flags.level) }() // ends with ctx, or the connection
	} else if err := subscribe(ctx, t, c, uris, flags.level); err != nil {
		return err
	}
	err = a.writeEvents(ctx, events, ended, flags)
	if cmd.Context().Err() != nil {
		return nil // the person has seen enough
	}
	return err
}

// listen subscribes with a modern server, and returns when it has ended that
// (MCP 2026-07-28, "Subscriptions").
func listen(ctx context.Context, t target, c *peer.Conn, uris []string, level string) error {
	wanted := map[string]any{"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true}
	if len(uris) > 0 {
		wanted["resourceSubscriptions"] = uris
	}
	params, err := json.Marshal(map[string]any{"notifications": wanted})
	if err != nil {
		return err
	}
	var meta map[string]any
	if level != "" {
		meta = map[string]any{jsonrpc.MetaLogLevel: level}
	}
	answer, err := c.CallWith(ctx, "subscriptions/listen", params, meta)
	switch {
	case err != nil:
		return peerError(t, err)
	case answer.Error.Present():
		return answerError(t, answer)
	}
	return &exitError{failure{exitUnreachable, "the server has ended the subscription", ""}, nil}
}

// subscribe does the same with a legacy server, which tells of lists unasked.
func subscribe(ctx context.Context, t target, c *peer.Conn, uris []string, level string) error {
	type request struct {
		method string
		params any
	}
	var requests []request
	if level != "" {
		requests = append(requests, request{"logging/setLevel", map[string]string{"level": level}})
	}
	for _, uri := range uris {
		requests = append(requests, request{"resources/subscribe", map[string]string{"uri": uri}})
	}
	for _, r := range requests {
		params, err := json.Marshal(r.params)
		if err != nil {
			return err
		}
		answer, err := c.Call(ctx, r.method, params)
		if err != nil {
			return peerError(t, err)
		}
		if answer.Error.Present() {
			return answerError(t, answer)
		}
	}
	return nil
}

// writeEvents writes notifications until there were enough of them.
func (a *app) writeEvents(ctx context.Context, events <-chan event, ended <-chan error, flags *watchFlags) (err error) {
	var over <-chan time.Time
	if flags.limit > 0 {
		timer := time.NewTimer(flags.limit)
		defer timer.Stop()
		over = timer.C
	}
	w := &eventWriter{app: a, screen: a.screen(a.stdout), json: flags.json, now: time.Now}
	defer func() { err = errors.Join(err, w.close()) }()
	for w.n < flags.count || flags.count == 0 {
		select {
		case e := <-events:
			if err := w.write(e); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// eventWriter writes notifications as lines, or as the elements of an array.
type eventWriter struct {
	app    *app
	screen render.Screen
	json   bool
	now    func() time.Time
	n      int
}

// quiet are notifications that are part of the conversation itself.
var quiet = []string{"notifications/progress", "notifications/subscriptions/acknowledged", "notifications/cancelled"}

func (w *eventWriter) write(e event) error {
	var method string
	_ = json.Unmarshal(e.Method.Of(e.frame), &method) // was scanned
	if slices.Contains(quiet, method) {
		return nil
	}
	w.n++
	if w.json {
		before := ",\n"
		if w.n == 1 {
			before = "[\n"
		}
		_, err := io.WriteString(w.app.stdout, before+string(e.frame))
		return err
	}
	detail := describe(method, e.Params.Of(e.frame))
	line := strings.Join([]string{w.now().UTC().Format(time.RFC3339), oneLine(method), detail}, "\t")
	if w.screen.Terminal() {
		line = w.screen.Dim(w.now().Format(time.TimeOnly)) + " " + w.screen.Bold(oneLine(strings.TrimPrefix(method, "notifications/")))
		if detail != "" {
			line += " " + detail
		}
	}
	_, err := fmt.Fprintln(w.app.stdout, line)
	return err
}

func (w *eventWriter) close() error {
	if !w.json {
		return nil
	}
	end := "\n]\n"
	if w.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(w.app.stdout, end)
	return err
}

// describe is what a notification says, on one line.
func describe(method string, params []byte) string {
	var p struct {
		URI, Level, Logger string
		Data               json.RawMessage
	}
	if json.Unmarshal(params, &p) != nil {
		return ""
	}
	switch method {
	case "notifications/resources/updated":
		return oneLine(p.URI)
	case "notifications/message":
		return oneLine(render.Screen{}.Log(p.Level, p.Logger, p.Data))
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed":
		return ""
	}
	return oneLine(string(params))
}
