// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// ErrTooLarge is returned for an event that exceeds the reader's limit.
var ErrTooLarge = errors.New("sse: event too large")

// DefaultMaxEvent is the limit of a [Reader] that was given none: 64 MiB.
const DefaultMaxEvent = 64 << 20

// Reader parses an event stream. It is not safe for concurrent use.
type Reader struct {
	r   *bufio.Reader
	max int

	line   []byte
	skipLF bool // the last line ended in CR; an LF that follows belongs to it
	begun  bool
	err    error

	event  string
	data   []byte
	id     string // of the event being read
	lastID string
	retry  time.Duration
}

// NewReader reads events from r. An event whose lines have more than max
// bytes together is an error; max <= 0 means [DefaultMaxEvent].
func NewReader(r io.Reader, max int) *Reader {
	if max <= 0 {
		max = DefaultMaxEvent
	}
	return &Reader{r: bufio.NewReader(r), max: max}
}

// Next returns the next event that has data. Its Data is valid until the next
// call. At the end of the stream the error is [io.EOF]; an event that the end
// cuts off is dropped, as the standard demands. Errors are final.
func (r *Reader) Next() (Event, error) {
	r.event, r.data = "", r.data[:0]
	hasData, size := false, 0
	for {
		if err := r.readLine(r.max - size); err != nil {
			return Event{}, err
		}
		size += len(r.line)
		if len(r.line) == 0 {
			r.lastID = r.id
			if hasData {
				return Event{ID: r.id, Type: r.event, Data: r.data[:len(r.data)-1]}, nil
			}
			r.event, size = "", 0
			continue
		}
		field, value, _ := bytes.Cut(r.line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(field) {
		case "data":
			r.data = append(append(r.data, value...), '\n')
			hasData = true
		case "event":
			r.event = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				r.id = string(value)
			}
		case "retry":
			r.setRetry(value)
		case "": // a comment: keep-alives must not add up to a large event
			size -= len(r.line)
		}
	}
}

// LastEventID is the id to send as Last-Event-ID when the stream is resumed.
func (r *Reader) LastEventID() string { return r.lastID }

// Retry is the reconnection time that the stream asked for, and false if it
// named none.
func (r *Reader) Retry() (time.Duration, bool) { return r.retry, r.retry > 0 }

func (r *Reader) setRetry(value []byte) {
	const most = 24 * time.Hour
	ms, err := strconv.ParseUint(string(value), 10, 31)
	if err == nil {
		r.retry = min(max(time.Duration(ms)*time.Millisecond, 1), most)
	}
}

// readLine reads one line of at most limit bytes into r.line. A line that
// ends in CR is complete at once: waiting for a possible LF would hold an
// event back until the next one.
func (r *Reader) readLine(limit int) error {
	if r.err != nil {
		return r.err
	}
	r.line = r.line[:0]
	for {
		chunk, err := r.fill()
		if err != nil {
			r.err = err
			return err
		}
		end := lineEnd(chunk)
		n := end
		if end < 0 {
			n = len(chunk)
		}
		if len(r.line)+n > limit {
			r.err = ErrTooLarge
			return r.err
		}
		r.line = append(r.line, chunk[:n]...)
		if end >= 0 {
			r.skipLF = chunk[end] == '\r'
			r.discard(end + 1)
			return nil
		}
		r.discard(n)
	}
}

// lineEnd returns the index of the first CR or LF, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf < 0 {
		return bytes.IndexByte(b, '\r')
	}
	if cr := bytes.IndexByte(b[:lf], '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// fill returns the bytes that are buffered, after reading some if there were
// none. It drops a byte order mark at the start of the stream, and the LF of
// a CRLF.
func (r *Reader) fill() ([]byte, error) {
	for {
		if _, err := r.r.Peek(1); err != nil {
			return nil, err
		}
		if !r.begun {
			r.begun = true
			if err := r.dropBOM(); err != nil {
				return nil, err
			}
			continue
		}
		chunk, err := r.r.Peek(r.r.Buffered())
		if err != nil {
			return nil, err
		}
		if !r.skipLF {
			return chunk, nil
		}
		r.skipLF = false
		if chunk[0] != '\n' {
			return chunk, nil
		}
		r.discard(1)
	}
}

func (r *Reader) dropBOM() error {
	if first, err := r.r.Peek(1); err != nil || first[0] != 0xEF {
		return err
	}
	if mark, _ := r.r.Peek(3); string(mark) == "\ufeff" {
		r.discard(3)
	}
	return nil
}

// discard drops bytes that are known to be buffered.
func (r *Reader) discard(n int) { _, _ = r.r.Discard(n) }
