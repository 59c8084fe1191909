// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/capture"
)

func (a *app) replayCommand() *cobra.Command {
	var o capture.ReplayOptions
	var ignore []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay FILE TARGET",
		Short: "Replay the client of a capture against a server",
		Long: `Say to a server what the client of a capture said, in the same order, and show where
the answers differ from those of the capture. Cursors, requestState and ids of tasks
are those that this server gives; what it asks the client is answered as in the
capture. What was redacted goes out as "[redacted]", and equals anything.

Tools are called as they were: think of what they do. The exit status is 6 if there
are differences. --ignore leaves out parts of answers that differ each time.

` + targetHelp,
		Example: `  shclient replay session.ndjson https://staging.example.com/mcp
  shclient replay session.ndjson --ignore result.content.*.text -- npx -y some-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() == 0 {
				return usage(cmd, "the file of the capture is missing")
			}
			t, err := a.targetAfter(cmd, args)
			if err != nil {
				return err
			}
			for _, path := range ignore {
				steps, err := capture.ParsePath(path)
				if err != nil {
					return usage(cmd, "--ignore: %v", err)
				}
				o.Ignore = append(o.Ignore, steps)
			}
			if o.Timeout <= 0 {
				return usage(cmd, "--timeout must be more than 0")
			}
			recorded, err := readCapture(args[0])
			if err != nil {
				return err
			}
			return a.replay(cmd, t, recorded, o, asJSON)
		},
	}
	cmd.Flags().StringArrayVar(&ignore, "ignore", nil, "do not compare what is at this `path` of answers, or below it; * stands for any member")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	return cmd
}

// targetAfter is the target that follows one other argument, and nothing after
// it.
func (a *app) targetAfter(cmd *cobra.Command, args []string) (target, error) {
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		t, rest, err := a.target(cmd, args)
		if err == nil && len(rest) > 1 {
			err = usage(cmd, "too many arguments before --")
		}
		return t, err
	}
	t, rest, err := a.target(cmd, args[1:])
	if err == nil && len(rest) > 0 {
		err = usage(cmd, "too many arguments")
	}
	return t, err
}

func readCapture(name string) (*capture.Capture, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c, err := capture.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func (a *app) replay(cmd *cobra.Command, t target, recorded *capture.Capture, o capture.ReplayOptions, asJSON bool) error {
	ctx := cmd.Context()
	conn, err := a.dialLines(context.WithoutCancel(ctx), cmd, t, shclient.EraAuto)
	if err != nil {
		if t.url == "" {
			return unreachable(t, fmt.Errorf("cannot start %s: %w", t, err))
		}
		return err
	}
	defer conn.Close()
	if t.url != "" {
		o.Gone = func(fault []byte) error { return bridgeFailed(t, fault) }
	}
	report, played := capture.Replay(ctx, conn, recorded, o)
	if report.Redacted > 0 {
		a.logger().Warn("messages went out with what was redacted in them", "messages", report.Redacted)
	}
	if asJSON {
		err = writeJSON(a.stdout, report)
	} else {
		err = a.writeReplay(report, played)
	}
	switch {
	case err != nil:
		return err
	case errors.Is(played, context.Canceled):
		return played
	case played != nil:
		if _, known := errors.AsType[*exitError](played); known {
			return played
		}
		if _, status := errors.AsType[*shclient.StatusError](played); status {
			return at(t, played)
		}
		return unreachable(t, played)
	case len(report.Changes) > 0:
		return &exitError{failure: failure{code: exitDifferent, text: count(len(report.Changes), "difference")}}
	}
	return nil
}

// bridgeFailed is the failure that the bridge tells as an error response, when
// it has no answer of a server; nil for errors of servers.
func bridgeFailed(t target, fault []byte) error {
	const codeBridge = -32000
	var e struct {
		Code    int
		Message string
		Data    struct {
			Status int `json:"http_status"`
		}
	}
	if json.Unmarshal(fault, &e) != nil || e.Code != codeBridge {
		return nil
	}
	switch status := e.Data.Status; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return &shclient.StatusError{Endpoint: t.String(), Status: status}
	case status == 0, status >= 500:
		return errors.New(oneLine(e.Message))
	}
	return nil
}

func (a *app) writeReplay(report *capture.ReplayReport, played error) error {
	if err := capture.WriteChanges(a.stdout, report.Changes); err != nil {
		return err
	}
	text := ": as in the capture"
	switch n := len(report.Changes); {
	case n > 0:
		text = ": " + count(n, "difference")
	case played != nil:
		text = ", and then no more"
	}
	_, err := fmt.Fprintf(a.stdout, "%s answered%s\n", count(report.Requests, "request"), text)
	return err
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
