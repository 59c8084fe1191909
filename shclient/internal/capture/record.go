// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

// A Conn is a connection with a server, one message on each line.
type Conn interface {
	io.ReadWriteCloser

	// CloseWrite tells the server that nothing follows.
	CloseWrite() error
}

// drain is how long a server may still answer when the client has closed its
// end.
const drain = 10 * time.Second

// Record forwards lines between a client and a server, in both directions, and
// writes them to a capture before it does: what is answered stands before the
// answer. It returns when the client has closed its end and the server has
// ended, when the server has ended by itself, or when ctx is done, which is no
// error. It closes the connection. A Read of in that blocks may outlast it.
func Record(ctx context.Context, in io.Reader, out io.Writer, server Conn, to *Writer) error {
	defer context.AfterFunc(ctx, func() { server.Close() })()
	defer server.Close()
	fromServer := make(chan error, 1)
	fromClient := make(chan error, 1)
	go func() { fromServer <- forward(server, out, Server, to) }()
	go func() { fromClient <- forward(in, server, Client, to) }()
	select {
	case err := <-fromServer:
		return unlessDone(ctx, err)
	case err := <-fromClient:
		if err != nil {
			server.Close()
			<-fromServer
			return unlessDone(ctx, err)
		}
	}
	if err := server.CloseWrite(); err != nil {
		return unlessDone(ctx, err)
	}
	defer time.AfterFunc(drain, func() { server.Close() }).Stop()
	return unlessDone(ctx, <-fromServer)
}

func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// forward copies lines until the end.
func forward(from io.Reader, to io.Writer, side Side, capture *Writer) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		capture.Write(side, line)
		if _, err := to.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return lines.Err()
}
