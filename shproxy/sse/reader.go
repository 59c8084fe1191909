// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
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

	buf    []byte // the data of the event being read, and behind it the current line
	skipLF bool   // the last line ended in CR; an LF that follows belongs to it
	begun  bool
	err    error

	event  string
	id     string // of the event being read
	lastID string
	retry  time.Duration
}

const (
	bufferSize = 16 << 10 // of what is read at once
	keepSize   = 1 << 20  // of a buffer that small events use again
)

// NewReader reads events from r. An event whose lines have more than max
// bytes together is an error; max <= 0 means [DefaultMaxEvent].
func NewReader(r io.Reader, max int) *Reader {
	if max <= 0 {
		max = DefaultMaxEvent
	}
	return &Reader{r: bufio.NewReaderSize(r, bufferSize), max: max}
}

// Next returns the next event that has data, which may be empty: one without
// any data field is not dispatched, but "data:" is (MCP 2025-11-25 begins
// streams with such an event for the sake of its id). Its Data is valid until
// the next call. At the end of the stream the error is [io.EOF]; an event that
// the end cuts off is dropped, as the standard demands. Errors are final.
func (r *Reader) Next() (Event, error) {
	if cap(r.buf) > max(keepSize, 4*len(r.buf)) {
		r.buf = nil
	}
	r.event = ""
	start, end := -1, 0 // of the data in the buffer
	for size := 0; ; {
		r.buf = r.buf[:end]
		if err := r.readLine(r.max - size); err != nil {
			return Event{}, err
		}
		line := r.buf[end:]
		if len(line) == 0 {
			r.lastID = r.id
			if start >= 0 {
				return Event{ID: r.id, Type: r.event, Data: r.buf[start:end]}, nil
			}
			r.event, size = "", 0
			continue
		}
		size += len(line)
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "data":
			if start < 0 {
				start, end = len(r.buf)-len(value), len(r.buf)
			} else {
				line[0] = '\n' // between the lines; the name makes room for it
				end += 1 + copy(line[1:], value)
			}
		case "": // a comment: keep-alives must not add up to a large event
			size -= len(line)
		default:
			r.field(name, value)
		}
	}
}

// field takes in a field other than data.
func (r *Reader) field(name, value []byte) {
	switch string(name) {
	case "event":
		r.event = string(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			r.id = string(value)
		}
	case "retry":
		r.setRetry(value)
	}
}

// LastEventID is the id to send as Last-Event-ID when the stream is resumed.
func (r *Reader) LastEventID() string { return r.lastID }

// Retry is the reconnection time that the stream asked for, at most 24 hours, and
// false if it named none.
func (r *Reader) Retry() (time.Duration, bool) { return r.retry, r.retry > 0 }

func (r *Reader) setRetry(value []byte) {
	const most = 24 * time.Hour
	ms, err := strconv.ParseUint(string(value), 10, 31)
	if err == nil {
		r.retry = min(max(time.Duration(ms)*time.Millisecond, 1), most)
	}
}

// readLine appends one line of at most limit bytes to the buffer. A line that
// ends in CR is complete at once: waiting for a possible LF would hold an
// event back until the next one.
func (r *Reader) readLine(limit int) error {
	if r.err != nil {
		return r.err
	}
	start := len(r.buf)
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
		if len(r.buf)-start+n > limit {
			r.err = ErrTooLarge
			return r.err
		}
		if cap(r.buf)-len(r.buf) < n {
			r.buf = slices.Grow(r.buf, max(n, cap(r.buf))) // append grows large ones in many small steps
		}
		r.buf = append(r.buf, chunk[:n]...)
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
