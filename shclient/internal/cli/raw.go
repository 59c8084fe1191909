// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	sdkrpc "github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/buildinfo"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/peer"
)

func (a *app) rawCommand() *cobra.Command {
	var server eraFlag
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "raw TARGET METHOD [PARAMS | @FILE | -]",
		Short: "Send any request, and print the result as it is",
		Long: `Send a request with any method, and print its result byte for byte. PARAMS are JSON, in
a file with @FILE, or stdin with -. A method under notifications/ is sent as one, and
has no result.

The session is opened first, unless METHOD does that itself: initialize or
server/discover. A server of 2026-07-28 gets the _meta that it requires, unless PARAMS
have one. If the answer is an error, it is printed, and the exit status is 5.

` + targetHelp,
		Example: `  shclient raw https://example.com/mcp tools/list
  shclient raw https://example.com/mcp tools/call '{"name": "noop", "arguments": {}}'
  shclient raw tools/list -- npx -y some-server | jq '.tools[].name'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, args, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if len(args) < 1 || len(args) > 2 {
				return usage(cmd, "want a method, and its params as one JSON document")
			}
			var params []byte
			if len(args) == 2 && args[1] != "" {
				if params, err = a.jsonArgument("PARAMS", args[1], false); err != nil {
					return usage(cmd, "%s", plain(err))
				}
			}
			return at(t, a.raw(cmd, t, server.era, args[0], params))
		},
	}
	cmd.Flags().Var(&server, "server-protocol", "`era` that the server speaks: auto (it is asked), legacy or modern")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write errors as one line of JSON; the result is JSON anyway")
	return cmd
}

func (a *app) raw(cmd *cobra.Command, t target, server shclient.Era, method string, params []byte) error {
	ctx := cmd.Context()
	o := a.peerOptions(cmd, t, server)
	var c *peer.Conn
	var err error
	switch method {
	case "initialize":
		c, err = peer.Dial(ctx, o, false)
	case "server/discover":
		c, err = peer.Dial(ctx, o, true)
	default:
		c, err = peer.Open(ctx, o)
	}
	if err != nil {
		return peerError(t, err)
	}
	defer c.Close()
	if strings.HasPrefix(method, "notifications/") {
		return peerError(t, c.Notify(method, params))
	}
	answer, err := c.Call(ctx, method, params)
	if err != nil {
		return peerError(t, err)
	}
	if !answer.Error.Present() {
		return a.writeRaw(answer.ResultBytes())
	}
	failed := answerError(t, answer)
	if exit, ok := errors.AsType[*exitError](failed); ok && exit.code == exitTool {
		if err := a.writeRaw(answer.ErrorBytes()); err != nil {
			return err
		}
	}
	return failed
}

// writeRaw writes JSON as it came; for a person it is indented, and harmless.
func (a *app) writeRaw(raw []byte) error {
	if screen := a.screen(a.stdout); screen.Terminal() {
		_, err := io.WriteString(a.stdout, screen.JSON(raw))
		return err
	}
	_, err := a.stdout.Write(append(raw[:len(raw):len(raw)], '\n'))
	return err
}

// peerOptions are those for a connection with a target on which messages stay
// as they are.
func (a *app) peerOptions(cmd *cobra.Command, t target, server shclient.Era) peer.Options {
	info, _ := json.Marshal(map[string]string{"name": "shclient", "version": buildinfo.Version()}) // strings always encode
	o := peer.Options{
		Dial: func(ctx context.Context, modern bool) (io.ReadWriteCloser, error) {
			era := shclient.EraLegacy
			if modern {
				era = shclient.EraModern
			}
			return a.dialLines(context.WithoutCancel(ctx), cmd, t, era) // Close ends it
		},
		Shared: t.url == "",
		Info:   info,
	}
	if server != shclient.EraAuto {
		modern := server == shclient.EraModern
		o.Modern = &modern
	}
	return o
}

// peerError is how a connection has failed.
func peerError(t target, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if refused, ok := errors.AsType[*peer.RefusedError](err); ok {
		return answerError(t, refused.Answer)
	}
	if errors.Is(err, peer.ErrEnded) {
		return &exitError{failure{exitUnreachable, t.String() + " has ended before it answered", "--verbose shows what it writes to stderr"}, err}
	}
	if _, known := errors.AsType[*exitError](err); known {
		return err
	}
	if t.url == "" {
		return &exitError{failure{exitUnreachable, fmt.Sprintf("cannot start %s: %s", t, plain(err)), "check the command behind --"}, err}
	}
	return err
}

// codeBridge marks errors of the bridge, which are no answers of a server.
const codeBridge = -32000

// answerError is an error response: of the server, or of the bridge on the way
// to it.
func answerError(t target, answer peer.Answer) error {
	var e struct {
		Code    int64
		Message string
		Data    struct {
			Status int `json:"http_status"`
		}
	}
	_ = json.Unmarshal(answer.ErrorBytes(), &e) // what cannot be read is empty
	text, hint := oneLine(e.Message), ""
	switch {
	case t.url != "" && e.Code == codeBridge && (e.Data.Status == http.StatusUnauthorized || e.Data.Status == http.StatusForbidden):
		return &exitError{failure{exitAuth, text, "run shclient login " + t.String()}, nil}
	case t.url != "" && e.Code == codeBridge:
		return &exitError{failure{exitUnreachable, text, hint}, nil}
	}
	return &exitError{failure{exitTool, fmt.Sprintf("the server answered with error %d: %s", e.Code, text), hint}, &sdkrpc.Error{Code: e.Code, Message: e.Message}}
}
