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
)

// dialLines connects with the target to exchange raw messages, one on each
// line: through a bridge, or with the process of a server on stdio. server is
// the era that the server speaks, for the bridge. What fails at the bridge comes
// as an error response, with the HTTP status in its data.
func (a *app) dialLines(ctx context.Context, cmd *cobra.Command, t target, server shclient.Era) (io.ReadWriteCloser, error) {
	if t.url == "" {
		return a.startCommand(ctx, t)
	}
	o, err := a.options(cmd, t)
	if err != nil {
		return nil, err
	}
	b, err := shclient.NewBridge(o, &shclient.BridgeOptions{ServerEra: server, DrainTimeout: drainTimeout})
	if err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	return runBridge(ctx, b), nil
}

// drainTimeout is how long what was asked may still be answered when the asking
// side has closed its end, as record does when its client has.
const drainTimeout = 5 * time.Second

// transport names the way to the target.
func (t target) transport() string {
	if t.url == "" {
		return "stdio"
	}
	return "HTTP"
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

// CloseWrite ends what is said, not what is heard.
func (c *bridgeConn) CloseWrite() error {
	if w, ok := c.Writer.(io.Closer); ok {
		return w.Close()
	}
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

// maxLine bounds a message of a server on stdio, in bytes.
const maxLine = 64 << 20

// closeGrace is how long a command may take to end once its input is closed.
const closeGrace = 2 * time.Second

// startCommand runs a server on stdio. With --verbose its stderr is ours.
func (a *app) startCommand(ctx context.Context, t target) (io.ReadWriteCloser, error) {
	var stderr io.Writer
	if a.verbose {
		stderr = a.stderr
	}
	return startProcess(ctx, t, stderr, func(error) {})
}

// startProcess runs a server on stdio. Close ends it, with all that it has
// started; ended hears how.
func startProcess(ctx context.Context, t target, stderr io.Writer, ended func(error)) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, t.command[0], t.command[1:]...)
	ownGroup(cmd)
	cmd.WaitDelay = closeGrace // for what it has left behind on its stdout
	cmd.Dir = t.dir
	if len(t.env) > 0 {
		cmd.Env = append(cmd.Environ(), t.env...)
	}
	cmd.Stderr = stderr
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
		err := cmd.Wait()
		endGroup(cmd)
		ended(err)
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
