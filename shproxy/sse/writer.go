// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"io"
	"strconv"
	"time"
)

// maxCopy is up to which size what is written is put together first: a small
// event is one write, and a large payload is never copied. The buffer of a
// net/http response is as large.
const maxCopy = 2048

// Writer writes an event stream. Every method ends with one flush. It is not
// safe for concurrent use. The error of a write is final.
type Writer struct {
	w     io.Writer
	flush func() error
	buf   []byte // what is put together; it grows to maxCopy at most
	err   error
}

// NewWriter writes to w and calls flush after each event or comment. flush
// may be nil. For an HTTP response it is the Flush method of
// [net/http.ResponseController]; the response writer does the buffering.
func NewWriter(w io.Writer, flush func() error) *Writer {
	if flush == nil {
		flush = func() error { return nil }
	}
	return &Writer{w: w, flush: flush}
}

// Event writes e. Line breaks and NUL are not allowed in its ID and Type, and
// are cut out; each line of its Data becomes a data field.
func (w *Writer) Event(e Event) error {
	if e.ID != "" {
		field(w, "id: ", e.ID)
	}
	if e.Type != "" {
		field(w, "event: ", e.Type)
	}
	return w.data(e.Data)
}

// Message is [Writer.Event] for an event without a type whose id is in bytes.
// An empty id is left out.
func (w *Writer) Message(id, data []byte) error {
	if len(id) > 0 {
		field(w, "id: ", id)
	}
	return w.data(data)
}

// Prime writes an event with an id, no data, and the time that the reader is
// to wait before it reconnects, in whole milliseconds; not if that is 0. MCP
// 2025-11-25 begins streams with such an event, so that a reader can resume
// them from the start. A reader that dispatches events takes it for one with
// empty data.
func (w *Writer) Prime(id []byte, retry time.Duration) error {
	if retry > 0 {
		w.retry(retry)
	}
	return w.Message(id, nil)
}

// Comment writes a comment, which readers ignore: a sign of life on a quiet
// stream.
func (w *Writer) Comment(text string) error {
	field(w, ": ", text)
	return w.end()
}

// Retry asks the reader to wait d, in whole milliseconds, before it
// reconnects.
func (w *Writer) Retry(d time.Duration) error {
	w.retry(d)
	return w.end()
}

func (w *Writer) retry(d time.Duration) {
	var room [20]byte
	field(w, "retry: ", strconv.AppendInt(room[:0], d.Milliseconds(), 10))
}

// field adds one field without what cannot be in its value.
func field[T string | []byte](w *Writer, name string, value T) {
	w.buf = append(w.buf, name...)
	for i := range len(value) {
		if c := value[i]; c != '\n' && c != '\r' && c != 0 {
			w.buf = append(w.buf, c)
		}
	}
	w.buf = append(w.buf, '\n')
}

// data adds the lines of a payload as data fields, and ends the event.
func (w *Writer) data(data []byte) error {
	if lineEnd(data) < 0 { // the usual message; the search below is slower
		w.line(data)
		return w.end()
	}
	for {
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			w.line(data)
			return w.end()
		}
		w.line(data[:end])
		if data[end] == '\r' && end+1 < len(data) && data[end+1] == '\n' {
			end++
		}
		data = data[end+1:]
	}
}

func (w *Writer) line(data []byte) {
	w.buf = append(w.buf, "data: "...)
	w.add(data)
	w.buf = append(w.buf, '\n')
}

// add adds part of a payload: to the buffer if it has room, and else behind
// what is in there.
func (w *Writer) add(part []byte) {
	if len(w.buf)+len(part) > maxCopy {
		w.write()
	}
	if len(part) <= maxCopy-len(w.buf) {
		w.buf = append(w.buf, part...)
	} else if w.err == nil {
		_, w.err = w.w.Write(part)
	}
}

// write writes what is in the buffer.
func (w *Writer) write() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// end closes the block.
func (w *Writer) end() error {
	w.buf = append(w.buf, '\n')
	w.write()
	if w.err != nil {
		return w.err
	}
	return w.flush()
}
