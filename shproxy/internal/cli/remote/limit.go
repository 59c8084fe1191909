// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

var errLarge = errors.New("the server sent a message that is too large")

// eventOverhead is what an event may have beside its message: the names of its
// fields, its id and its type.
const eventOverhead = 4 << 10

func isEvents(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}

// limit bounds the messages of a reply: its body, or each of its events. A body
// whose length is not told, and an event, are cut soon after they are too large.
func limit(resp *http.Response, most int64) error {
	switch {
	case isEvents(resp):
		resp.Body = &events{ReadCloser: resp.Body, most: most + eventOverhead}
	case resp.ContentLength > most:
		return errLarge
	default:
		resp.Body = &document{resp.Body, most}
	}
	return nil
}

// document is a body that is one message.
type document struct {
	io.ReadCloser
	left int64
}

func (d *document) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if d.left -= int64(n); d.left < 0 {
		return n, errLarge
	}
	return n, err
}

// events is a body of events, which end with an empty line.
type events struct {
	io.ReadCloser
	most int64

	size    int64 // of the event so far
	line    int64 // of its last line so far
	comment bool  // the line is one, and part of no event
	skipLF  bool  // the line before ended in CR; an LF that follows belongs to it
}

func (e *events) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if !e.fits(p[:n]) {
		return n, errLarge
	}
	return n, err
}

// fits takes note of some bytes, and reports whether no event is too large.
func (e *events) fits(p []byte) bool {
	for len(p) > 0 {
		if e.skipLF {
			e.skipLF = false
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		end := bytes.IndexAny(p, "\r\n")
		n := end
		if end < 0 {
			n = len(p)
		}
		if e.line == 0 {
			e.comment = p[0] == ':'
		}
		e.size += int64(n)
		e.line += int64(n)
		if e.size > e.most {
			return false
		}
		if end < 0 {
			break
		}
		if e.comment { // keep-alives do not add up
			e.size -= e.line
		} else if e.line == 0 {
			e.size = 0
		}
		e.line, e.comment = 0, false
		e.skipLF = p[end] == '\r'
		p = p[end+1:]
	}
	return true
}
