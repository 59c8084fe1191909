// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/compat"
)

func (a *app) compatCommand() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "compat URL | -- COMMAND [ARGUMENT...]",
		Short: "Show what clients of each protocol version can do with a server",
		Long: `Show what clients of each protocol version can do with a server: natively, or
translated by shclient (a server at a URL) or shproxy (a command), and what is lost.

The server is asked once for each version, a command by a process of its own.`,
		Example: `  shclient compat https://example.com/mcp
  shclient compat -- npx -y @modelcontextprotocol/server-everything`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usage(cmd, "want the URL of an MCP server, or -- and a command")
			case cmd.ArgsLenAtDash() == 0:
				return nil
			}
			return wantURL(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dial, transport, err := a.compatDialer(cmd, args)
			if err != nil {
				return err
			}
			answers, err := compat.Ask(cmd.Context(), dial, timeout)
			if err != nil {
				return unreachable(args, err)
			}
			report := compat.Judge(answers)
			report.Transport = transport
			if ok, why := report.Connects(); !ok {
				return unreachable(args, errors.New("it speaks no version of MCP: "+why))
			}
			if asJSON {
				return writeJSON(a.stdout, report)
			}
			return report.Write(a.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for each answer")
	return cmd
}

// unreachable is the error that no server could be asked.
func unreachable(args []string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &exitError{failure{code: exitUnreachable, text: oneLine(err.Error()), hint: "is " + withoutQuery(args[0]) + " an MCP server?"}, err}
}

// compatDialer connects with a server by its URL, or as a command.
func (a *app) compatDialer(cmd *cobra.Command, args []string) (dial compat.Dialer, transport string, err error) {
	if cmd.ArgsLenAtDash() == 0 {
		return func(ctx context.Context, _ bool) (io.ReadWriteCloser, error) { return a.startCommand(ctx, args) }, "stdio", nil
	}
	o, err := a.options(cmd, args[0])
	if err != nil {
		return nil, "", err
	}
	return func(ctx context.Context, modern bool) (io.ReadWriteCloser, error) {
		server := shclient.EraLegacy
		if modern {
			server = shclient.EraModern
		}
		b, err := shclient.NewBridge(o, &shclient.BridgeOptions{ServerEra: server})
		if err != nil {
			return nil, err
		}
		return runBridge(ctx, b), nil
	}, "HTTP", nil
}

// bridgeConn is a bridge that is spoken to.
type bridgeConn struct {
	io.Reader
	io.Writer
	close func()
}

func (c *bridgeConn) Close() error {
	c.close()
	return nil
}

func runBridge(ctx context.Context, b *shclient.Bridge) io.ReadWriteCloser {
	ctx, cancel := context.WithCancel(ctx)
	in, toBridge := io.Pipe()
	fromBridge, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Run(ctx, in, out) // what fails is told as an answer
		out.Close()
	}()
	return &bridgeConn{fromBridge, toBridge, func() {
		toBridge.Close()
		fromBridge.Close()
		cancel()
		<-done
	}}
}

// closeGrace is how long a command may take to end once its input is closed.
const closeGrace = 2 * time.Second

// startCommand runs a server whose stderr goes to ours.
func (a *app) startCommand(ctx context.Context, args []string) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if a.verbose {
		cmd.Stderr = a.stderr
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	stdout, out := io.Pipe()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, errors.New(strings.TrimPrefix(err.Error(), "exec: "))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ends is its own affair
		out.Close()
	}()
	return &bridgeConn{stdout, stdin, func() {
		stdin.Close()
		stdout.Close()
		defer time.AfterFunc(closeGrace, cancel).Stop()
		<-done
		cancel()
	}}, nil
}
