// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// Writer writes an event stream. Every method ends with one flush. It is not
// safe for concurrent use.
type Writer struct {
	w     io.Writer
	flush func() error
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

// Event writes e. Line breaks are not allowed in its ID and Type, and are cut
// out; each line of its Data becomes a data field.
func (w *Writer) Event(e Event) error {
	if e.ID != "" {
		w.field("id: ", oneLine(e.ID))
	}
	if e.Type != "" {
		w.field("event: ", oneLine(e.Type))
	}
	data := e.Data
	if lineEnd(data) < 0 { // the usual message; the search below is slower
		w.data(data)
		return w.end()
	}
	for {
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			break
		}
		w.data(data[:end])
		if data[end] == '\r' && end+1 < len(data) && data[end+1] == '\n' {
			end++
		}
		data = data[end+1:]
	}
	w.data(data)
	return w.end()
}

// Comment writes a comment, which readers ignore: a sign of life on a quiet
// stream.
func (w *Writer) Comment(text string) error {
	w.field(": ", oneLine(text))
	return w.end()
}

// Retry asks the reader to wait d, in whole milliseconds, before it
// reconnects.
func (w *Writer) Retry(d time.Duration) error {
	w.field("retry: ", strconv.FormatInt(d.Milliseconds(), 10))
	return w.end()
}

func (w *Writer) field(name, value string) {
	_, _ = io.WriteString(w.w, name)
	_, _ = io.WriteString(w.w, value)
	_, _ = io.WriteString(w.w, "\n")
}

func (w *Writer) data(line []byte) {
	_, _ = io.WriteString(w.w, "data: ")
	_, _ = w.w.Write(line)
	_, _ = io.WriteString(w.w, "\n")
}

// end closes the block. A response writer keeps failing once it failed, so
// the last write and the flush tell of every error before them.
func (w *Writer) end() error {
	if _, err := io.WriteString(w.w, "\n"); err != nil {
		return err
	}
	return w.flush()
}

// oneLine cuts line breaks out of a field's value.
func oneLine(text string) string {
	if !strings.ContainsAny(text, "\r\n") {
		return text
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(text)
}
