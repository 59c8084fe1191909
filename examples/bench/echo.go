// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The roles this program plays for the systems under test, as its first
// argument.
const (
	roleStdio  = "echo-stdio"  // the MCP server that the bridges wrap
	roleModern = "echo-modern" // the same in MCP 2026-07-28, and in no other version
	roleHTTP   = "echo-http"   // the bare net/http floor; the next argument is its address
)

func isRole(arg string) bool {
	return arg == roleStdio || arg == roleModern || arg == roleHTTP || arg == roleForwardAuth || arg == rolePeak || arg == roleConvert || arg == roleOrigin
}

func serveRole(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	switch {
	case args[0] == rolePeak:
		return runPeak(args[1:], stdout, stderr)
	case args[0] == roleStdio:
		return serveStdio(stdin, stdout, answer)
	case args[0] == roleModern:
		return serveStdio(stdin, stdout, answerModern)
	case args[0] == roleConvert && len(args) == 2:
		return runConvert(args[1], stdin, stdout)
	case args[0] == roleOrigin && len(args) == 3:
		return serveOrigin(stdin, args[1], args[2])
	case len(args) != 2:
	case args[0] == roleForwardAuth:
		return serveHTTP(stdin, args[1], setPersonHeaders)
	default:
		return serveHTTP(stdin, args[1], echoHTTP)
	}
	return fmt.Errorf("%s: want one address", args[0])
}

// serveStdio answers newline-delimited frames until r ends. It flushes only
// when no whole frame waits, so that pipelined calls share system calls.
func serveStdio(r io.Reader, w io.Writer, answer func(dst, frame []byte) []byte) error {
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	var buf []byte
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return fmt.Errorf("reading a frame: %w", err)
		}
		if buf = answer(buf[:0], line); len(buf) > 0 {
			buf = append(buf, '\n')
			if _, err := out.Write(buf); err != nil {
				return err
			}
		}
		waiting, _ := in.Peek(in.Buffered())
		if bytes.IndexByte(waiting, '\n') < 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// serveHTTP serves until stdin ends, so that it cannot outlive the process that
// started it.
func serveHTTP(stdin io.Reader, address string, handler http.HandlerFunc) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		io.Copy(io.Discard, stdin)
		server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// echoHTTP answers by POST the frames that serveStdio answers. It has no stream
// to GET.
func echoHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	frame, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "cannot read the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	reply := answer(nil, frame)
	if len(reply) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	w.Write(reply)
}

// answer appends the reply to one frame to dst, or nothing if the frame is a
// notification or a response. It knows exactly the frames that a client of
// this benchmark, or a bridge on its behalf, sends.
func answer(dst, frame []byte) []byte {
	id, method := member(frame, "id"), member(frame, "method")
	if id == nil || method == nil {
		return dst
	}
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	switch string(method) {
	case `"tools/call"`:
		return append(appendEcho(append(dst, `,"result":{`...), frame), `}}`...)
	case `"initialize"`:
		dst = append(dst, `,"result":{"protocolVersion":`...)
		dst = append(dst, member(frame, "protocolVersion")...)
		return append(dst, `,"capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1.0.0"}}}`...)
	case `"tools/list"`:
		return append(dst, `,"result":{`+echoTools+`}}`...)
	case `"ping"`:
		return append(dst, `,"result":{}}`...)
	}
	return append(dst, notFound...)
}

// Members of replies in either era.
const (
	echoTools = `"tools":[{"name":"echo","description":"Repeats a text.","inputSchema":{"type":"object",` +
		`"properties":{"text":{"type":"string"},"times":{"type":"integer"}},"required":["text"]}}]`
	notFound = `,"error":{"code":-32601,"message":"method not found"}}`
)

// appendEcho appends the content of the result of a call.
func appendEcho(dst, frame []byte) []byte {
	text, count := bytes.Trim(member(frame, "text"), `"`), times(member(frame, "times"))
	dst = slices.Grow(dst, count*len(text)+64)
	dst = append(dst, `"content":[{"type":"text","text":"`...)
	for range count {
		dst = append(dst, text...)
	}
	return append(dst, `"}]`...)
}

// times reads the times argument of the echo tool: 1 if absent, at most 10,000.
func times(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return 1
	}
	return min(max(n, 0), 10_000)
}

// member returns the text of a string or number member called name, at
// whatever depth, or nil. No string in this benchmark's frames holds a quote,
// which is what makes so quick a search exact.
func member(frame []byte, name string) []byte {
	for rest := frame; ; {
		i := bytes.Index(rest, []byte(name))
		if i < 0 {
			return nil
		}
		quoted := i > 0 && rest[i-1] == '"'
		rest = rest[i+len(name):]
		value, isName := bytes.CutPrefix(rest, []byte(`"`))
		if !quoted || !isName {
			continue
		}
		value, isName = bytes.CutPrefix(bytes.TrimLeft(value, " \t"), []byte(":"))
		if !isName {
			continue
		}
		return scalar(bytes.TrimLeft(value, " \t"))
	}
}

// scalar cuts the string or number that b starts with.
func scalar(b []byte) []byte {
	if len(b) > 0 && b[0] == '"' {
		if end := bytes.IndexByte(b[1:], '"'); end >= 0 {
			return b[:end+2]
		}
		return nil
	}
	end := bytes.IndexAny(b, ",}] \t\r\n")
	if end <= 0 {
		return nil
	}
	return b[:end]
}
