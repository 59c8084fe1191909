// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"syscall"
	"time"
)

// BridgeOptions bounds what a [Bridge] holds and how long it waits. The zero
// value of each field means its default.
type BridgeOptions struct {
	// MaxMessageBytes is the size of the largest message in either
	// direction. Default 64 MiB.
	MaxMessageBytes int

	// MaxInFlight is how many requests may wait for their answers at a time;
	// further ones are answered with error -32000. Default 256.
	MaxInFlight int

	// DrainTimeout is how long requests in flight may still be answered when
	// the program has closed its end. Default 1 second.
	DrainTimeout time.Duration

	// ClientEra is the era that the program may speak. A request of the other
	// one is answered with the error that its programs understand: -32022 with
	// the versions that are left, or -32602 if it names no version and is no
	// initialize. Default EraAuto: either.
	ClientEra Era

	// ServerEra is the era that the server speaks. Default EraAuto: it is asked
	// when a message comes for which that matters, with server/discover; one
	// that keeps silent for 10 seconds, not counting a login, is taken to be
	// legacy. A request for which it cannot be found out is answered with error
	// -32000, and the next one asks again.
	ServerEra Era

	// AllowTools and DenyTools are patterns for the names of tools, in which *
	// stands for any text and ? for any character. The program sees and calls a
	// tool only if a pattern of AllowTools matches, or there is none, and no
	// pattern of DenyTools does. A call of another one is answered with error
	// -32602, and not sent.
	AllowTools, DenyTools []string
}

func (o *BridgeOptions) withDefaults() BridgeOptions {
	var with BridgeOptions
	if o != nil {
		with = *o
	}
	if with.MaxMessageBytes <= 0 {
		with.MaxMessageBytes = 64 << 20
	}
	if with.MaxInFlight <= 0 {
		with.MaxInFlight = 256
	}
	if with.DrainTimeout <= 0 {
		with.DrainTimeout = time.Second
	}
	return with
}

const (
	// abandonTimeout is how long the program may take to read its last
	// messages before they are given up.
	abandonTimeout = time.Second

	// deleteTimeout bounds the farewell to the server.
	deleteTimeout = 2 * time.Second
)

// A Bridge connects a program that speaks MCP over stdin and stdout with a
// remote server. Each line that the program writes becomes one POST; what the
// server answers, at once or as a stream, becomes lines again, byte for byte.
// A server that knows the HTTP+SSE transport of MCP 2024-11-05 only is spoken to
// in that one.
//
// A program and a server of different eras are translated between. Modern
// requests to a legacy server travel in sessions, one for each combination of
// clientInfo and clientCapabilities, of which there are at most 32.
//
// The bridge keeps its sessions: it remembers how they were initialized, which
// level of log messages was set and what was subscribed to, and does so again,
// unseen, when the server has forgotten one. A request that fails on the way is
// answered with a JSON-RPC error that says why.
//
// A Bridge may be used by several goroutines; each call of Run is a connection
// of its own.
type Bridge struct {
	endpoint *endpoint
	options  BridgeOptions
	filter   toolFilter
}

// NewBridge returns a bridge to the server that o names. limits may be nil.
func NewBridge(o Options, limits *BridgeOptions) (*Bridge, error) {
	e, err := o.endpoint(func(base http.RoundTripper) http.RoundTripper {
		return &deadlineTransport{base}
	})
	if err != nil {
		return nil, err
	}
	options := limits.withDefaults()
	return &Bridge{endpoint: e, options: options, filter: toolFilter{options.AllowTools, options.DenyTools}}, nil
}

// errEnding is what requests are told that the end of the bridge overtakes.
var errEnding = errors.New("the bridge ended before the server answered")

// Run forwards messages until in ends, out cannot be written, or ctx is done.
// It then tells the server that the session is over and returns: nil when the
// program closed its end, the cause when ctx is done, or what reading or
// writing failed with.
//
// A Read of in or a Write of out that blocks cannot be interrupted: when ctx is
// done, Run may leave a goroutine behind that ends with it.
func (b *Bridge) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	runCtx, end := context.WithCancelCause(ctx)
	defer end(nil)
	l := newLink(runCtx, b, startLineWriter(out, end))
	lines := startLineReader(runCtx, in, b.options.MaxMessageBytes, b.options.DrainTimeout)
	context.AfterFunc(runCtx, func() { time.AfterFunc(abandonTimeout, l.out.abandon) })

	l.dispatch(lines)
	l.drain()
	cause := context.Cause(runCtx)
	end(errEnding)

	l.lines.Wait()
	l.close()
	l.out.close()

	switch {
	case isClosed(cause):
		return nil
	case cause != nil:
		return cause
	}
	return lines.err
}

// isClosed recognizes the end of the program at the other end of a pipe.
func isClosed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, fs.ErrClosed)
}
