// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// userHeader says who a token is for, in the answer to a proxy.
const userHeader = "X-User-Id"

const (
	maxReplyBytes  = 16 << 20
	maxHeaderLines = 100
)

// A reply is one HTTP/1.1 response. Its buffer is used again for the next.
type reply struct {
	status      int
	contentType string // without parameters, lower case
	sessionID   string // Mcp-Session-Id
	user        []byte // X-User-Id
	closing     bool   // the connection cannot be used again
	body        []byte
}

// read reads the next response from r, skipping interim (1xx) ones.
func (rep *reply) read(r *bufio.Reader) error {
	for {
		*rep = reply{body: rep.body[:0], user: rep.user[:0]}
		framing, err := rep.readHead(r)
		if err != nil {
			return err
		}
		if rep.status < 200 {
			continue
		}
		return rep.readBody(r, framing)
	}
}

// A framing says where a body ends (RFC 9112 section 6.3).
type framing struct {
	chunked bool
	length  int64 // -1: not given
}

func (rep *reply) readHead(r *bufio.Reader) (framing, error) {
	f := framing{length: -1}
	line, err := readLine(r)
	if err != nil {
		return f, err
	}
	version, status, _ := strings.Cut(string(line), " ")
	status, _, _ = strings.Cut(status, " ")
	if rep.status, err = strconv.Atoi(status); err != nil || !strings.HasPrefix(version, "HTTP/1.") {
		return f, fmt.Errorf("not an HTTP/1.1 status line: %.60q", line)
	}
	rep.closing = version == "HTTP/1.0"
	for range maxHeaderLines {
		line, err := readLine(r)
		if err != nil {
			return f, err
		}
		if len(line) == 0 {
			return f, nil
		}
		if err := rep.header(line, &f); err != nil {
			return f, err
		}
	}
	return f, fmt.Errorf("more than %d header lines", maxHeaderLines)
}

func (rep *reply) header(line []byte, f *framing) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("not a header line: %.60q", line)
	}
	value = bytes.TrimSpace(value)
	switch {
	case equalFold(name, "Content-Length"):
		n, err := strconv.ParseUint(string(value), 10, 32)
		if err != nil || n > maxReplyBytes {
			return fmt.Errorf("Content-Length %.20q: want at most %d", value, maxReplyBytes)
		}
		f.length = int64(n)
	case equalFold(name, "Transfer-Encoding"):
		if !equalFold(value, "chunked") {
			return fmt.Errorf("unknown Transfer-Encoding %.20q", value)
		}
		f.chunked = true
	case equalFold(name, "Content-Type"):
		media, _, _ := bytes.Cut(value, []byte(";"))
		rep.contentType = mediaType(bytes.TrimSpace(media))
	case equalFold(name, "Mcp-Session-Id"):
		rep.sessionID = string(value)
	case equalFold(name, userHeader):
		rep.user = append(rep.user, value...)
	case equalFold(name, "Connection"):
		rep.closing = rep.closing || equalFold(value, "close")
	}
	return nil
}

// mediaType spares an allocation for the two types of every reply.
func mediaType(media []byte) string {
	for _, known := range []string{typeJSON, typeEvents} {
		if equalFold(media, known) {
			return known
		}
	}
	return strings.ToLower(string(media))
}

func equalFold(b []byte, s string) bool {
	return len(b) == len(s) && bytes.EqualFold(b, []byte(s))
}

func (rep *reply) readBody(r *bufio.Reader, f framing) error {
	switch {
	case rep.status == 204 || rep.status == 304:
		return nil
	case f.chunked:
		return rep.readChunks(r)
	case f.length >= 0:
		return rep.readExactly(r, int(f.length))
	}
	rep.closing = true
	rest, err := io.ReadAll(io.LimitReader(r, maxReplyBytes+1))
	if len(rest) > maxReplyBytes {
		return errTooLong
	}
	rep.body = append(rep.body, rest...)
	return err
}

var errTooLong = fmt.Errorf("reply longer than %d bytes", maxReplyBytes)

func (rep *reply) readChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 32)
		if err != nil {
			return fmt.Errorf("not a chunk size: %.20q", line)
		}
		if n == 0 {
			return skipTrailer(r)
		}
		if err := rep.readExactly(r, int(n)); err != nil {
			return err
		}
		if line, err := readLine(r); err != nil || len(line) > 0 {
			return errors.Join(errors.New("chunk does not end where it says"), err)
		}
	}
}

func skipTrailer(r *bufio.Reader) error {
	for range maxHeaderLines {
		if line, err := readLine(r); err != nil || len(line) == 0 {
			return err
		}
	}
	return fmt.Errorf("more than %d trailer lines", maxHeaderLines)
}

// readExactly appends n bytes to the body.
func (rep *reply) readExactly(r *bufio.Reader, n int) error {
	start := len(rep.body)
	if start+n > maxReplyBytes {
		return errTooLong
	}
	rep.body = append(rep.body, make([]byte, n)...)
	_, err := io.ReadFull(r, rep.body[start:])
	return err
}

// readLine reads a line, without its end, into r's buffer, which bounds it.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

const (
	typeJSON   = "application/json"
	typeEvents = "text/event-stream"
)

// message returns the JSON-RPC response that the reply carries for a request
// with this id: its JSON body, or the data of the event that has the id.
func (rep *reply) message(id int64) ([]byte, error) {
	if rep.status != 200 {
		return nil, fmt.Errorf("HTTP status %d: %.200s", rep.status, bytes.TrimSpace(rep.body))
	}
	switch rep.contentType {
	case typeJSON:
		return rep.body, nil
	case typeEvents:
		want := strconv.FormatInt(id, 10)
		for rest := rep.body; len(rest) > 0; {
			var data []byte
			data, rest = nextEvent(rest)
			if string(member(data, "id")) == want && member(data, "method") == nil {
				return data, nil
			}
		}
		return nil, fmt.Errorf("no event of the stream answers id %d", id)
	}
	return nil, fmt.Errorf("unexpected Content-Type %q", rep.contentType)
}

// nextEvent splits the data of the first event off a Server-Sent Events
// stream (WHATWG HTML section 9.2). As there, an event that no blank line
// ends is none.
func nextEvent(stream []byte) (data, rest []byte) {
	lines := 0
	for {
		line, after, ended := cutLine(stream)
		if !ended {
			return nil, nil
		}
		stream = after
		if len(line) == 0 {
			return data, stream
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		if string(field) != "data" {
			continue
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		if lines++; lines == 1 {
			data = value[:len(value):len(value)] // no copy for the usual one line
		} else {
			data = append(append(data, '\n'), value...)
		}
	}
}

// cutLine cuts at CR LF, LF or CR.
func cutLine(b []byte) (line, rest []byte, ended bool) {
	line = b
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	if i := bytes.IndexByte(line, '\r'); i >= 0 {
		line = line[:i]
	}
	rest = b[len(line):]
	switch {
	case len(rest) == 0:
		return nil, nil, false
	case bytes.HasPrefix(rest, []byte("\r\n")):
		return line, rest[2:], true
	}
	return line, rest[1:], true
}
