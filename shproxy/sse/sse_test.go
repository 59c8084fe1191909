// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestReader(t *testing.T) {
	tests := []struct {
		name, stream string
		want         []string // id|type|data
		lastID       string
	}{
		{"one", "data: a\n\n", []string{"||a"}, ""},
		{"no space", "data:a\n\n", []string{"||a"}, ""},
		{"two spaces", "data:  a\n\n", []string{"|| a"}, ""},
		{"lines", "data: a\ndata\ndata: b\n\n", []string{"||a\n\nb"}, ""},
		{"CRLF", "id: 1\r\nevent: message\r\ndata: a\r\n\r\n", []string{"1|message|a"}, "1"},
		{"CR", "id: 1\rdata: a\r\rdata: b\r\r", []string{"1||a", "1||b"}, "1"},
		{"mixed", "data: a\r\ndata: b\rdata: c\n\r\n", []string{"||a\nb\nc"}, ""},
		{"byte order mark", "\ufeffdata: a\n\n", []string{"||a"}, ""},
		{"a second mark is data", "\ufeff\ufeffdata: a\n\n", nil, ""},
		{"comments", ": keep-alive\n\n:\n\ndata: a\n: b\n\n", []string{"||a"}, ""},
		{"priming", "id: 5\ndata:\n\n", []string{"5||"}, "5"},
		{"id alone", "id: 5\n\n", nil, "5"},
		{"id is kept", "id: 5\ndata: a\n\ndata: b\n\n", []string{"5||a", "5||b"}, "5"},
		{"id is reset", "id: 5\ndata: a\n\nid\ndata: b\n\n", []string{"5||a", "||b"}, ""},
		{"id with NUL", "id: 5\nid: \x00\ndata: a\n\n", []string{"5||a"}, "5"},
		{"type is not kept", "event: x\ndata: a\n\ndata: b\n\n", []string{"|x|a", "||b"}, ""},
		{"type without data", "event: x\n\ndata: b\n\n", []string{"||b"}, ""},
		{"unknown field", "foo: bar\nbaz\ndata: a\n\n", []string{"||a"}, ""},
		{"cut off", "data: a\n\nid: 9\ndata: b\n", []string{"||a"}, ""},
		{"cut off in a line", "data: a\n\ndata: b", []string{"||a"}, ""},
		{"colons", "data: a: b:c\n\n", []string{"||a: b:c"}, ""},
	}
	for _, test := range tests {
		for _, wrap := range []struct {
			name string
			of   func(io.Reader) io.Reader
		}{
			{"whole", func(r io.Reader) io.Reader { return r }},
			{"bytes", iotest.OneByteReader},
		} {
			t.Run(test.name+"/"+wrap.name, func(t *testing.T) {
				r := NewReader(wrap.of(strings.NewReader(test.stream)), 0)
				got, err := readAll(r)
				if err != io.EOF {
					t.Errorf("err = %v", err)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if r.LastEventID() != test.lastID {
					t.Errorf("LastEventID = %q, want %q", r.LastEventID(), test.lastID)
				}
			})
		}
	}
}

func readAll(r *Reader) (events []string, err error) {
	for {
		e, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, e.ID+"|"+e.Type+"|"+string(e.Data))
	}
}

// An event that ends in CR must be delivered before the next byte arrives.
func TestReaderDoesNotWaitAfterCR(t *testing.T) {
	pr, pw := io.Pipe()
	defer pr.Close()
	r := NewReader(pr, 0)
	go func() { _, _ = io.WriteString(pw, "data: a\r\r") }()
	e, err := r.Next()
	if err != nil || string(e.Data) != "a" {
		t.Fatalf("%q, %v", e.Data, err)
	}
	go func() {
		_, _ = io.WriteString(pw, "\ndata: b\r\n\r")
		_ = pw.Close()
	}()
	if e, err = r.Next(); err != nil || string(e.Data) != "b" {
		t.Fatalf("%q, %v", e.Data, err)
	}
}

func TestReaderRetry(t *testing.T) {
	tests := []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"1500", 1500 * time.Millisecond, true},
		{"0", 1, true},
		{"2147483647", 24 * time.Hour, true},
		{"-1", 0, false},
		{"1.5", 0, false},
		{"", 0, false},
		{"99999999999999999999", 0, false},
	}
	for _, test := range tests {
		r := NewReader(strings.NewReader("retry: "+test.value+"\n\n"), 0)
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%q: %v", test.value, err)
		}
		if got, ok := r.Retry(); got != test.want || ok != test.ok {
			t.Errorf("retry %q = %v, %v; want %v, %v", test.value, got, ok, test.want, test.ok)
		}
	}
}

func TestReaderLimit(t *testing.T) {
	small := "data: " + strings.Repeat("a", 90) + "\n\n"
	large := "data: " + strings.Repeat("b", 60) + "\ndata: " + strings.Repeat("b", 60) + "\n\n"
	comments := strings.Repeat(": keep-alive\n", 100)
	r := NewReader(strings.NewReader(comments+small+small+large+small), 100)
	got, err := readAll(r)
	if len(got) != 2 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d events, %v", len(got), err)
	}
	if _, err := r.Next(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the error is not final: %v", err)
	}
	endless := NewReader(io.MultiReader(strings.NewReader("data: "), neverEnding('x')), 1<<20)
	if _, err := endless.Next(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless line: %v", err)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	flushes := 0
	w := NewWriter(&b, func() error { flushes++; return nil })
	for _, err := range []error{
		w.Event(Event{Data: []byte(`{"a":1}`)}),
		w.Event(Event{ID: "1\n2", Type: "x\ry", Data: []byte("a\r\nb\rc\n")}),
		w.Comment("keep\nalive"),
		w.Retry(1500 * time.Millisecond),
		w.Event(Event{ID: "prime"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "data: {\"a\":1}\n\n" +
		"id: 12\nevent: xy\ndata: a\ndata: b\ndata: c\ndata: \n\n" +
		": keepalive\n\n" +
		"retry: 1500\n\n" +
		"id: prime\ndata: \n\n"
	if got := b.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if flushes != 5 {
		t.Errorf("%d flushes", flushes)
	}
}

func TestWriterReportsErrors(t *testing.T) {
	w := NewWriter(iotest.TruncateWriter(io.Discard, 0), func() error { return io.ErrClosedPipe })
	if err := w.Event(Event{Data: []byte("a")}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("err = %v", err)
	}
}

// FuzzReader compares the reader with a plain reading of the standard, and
// checks that what it read can be written and read again.
func FuzzReader(f *testing.F) {
	f.Add("data: a\n\nid: 1\r\nevent: e\rdata: b\r\ndata\n\n: c\n\n", 3)
	f.Add("\ufeffretry: 10\nid: \x00\ndata: x", 1)
	f.Fuzz(func(t *testing.T, stream string, chunk int) {
		if chunk < 1 {
			chunk = 1
		}
		r := NewReader(&chunkReader{stream, chunk%7 + 1}, 0)
		got, err := readAll(r)
		if err != io.EOF {
			t.Fatalf("err = %v", err)
		}
		if want := reference(stream); !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", stream, got, want)
		}
		var b bytes.Buffer
		w := NewWriter(&b, nil)
		for _, e := range got {
			part := strings.SplitN(e, "|", 2)
			if err := w.Event(Event{Data: []byte(part[1])}); err != nil {
				t.Fatal(err)
			}
		}
		again := NewReader(&b, 0)
		for _, e := range got {
			part := strings.SplitN(e, "|", 2)
			if back, err := again.Next(); err != nil || string(back.Data) != part[1] {
				t.Fatalf("wrote %q, read %q, %v", part[1], back.Data, err)
			}
		}
	})
}

type chunkReader struct {
	rest string
	n    int
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(r.n, len(p))], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// reference is the standard's algorithm over a whole stream.
func reference(stream string) (events []string) {
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(stream, "\n")
	var id, event, data string
	for _, line := range lines[:len(lines)-1] {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != "" {
				events = append(events, id+"|"+event+"|"+strings.TrimSuffix(data, "\n"))
			}
			event, data = "", ""
		case field == "event":
			event = value
		case field == "data":
			data += value + "\n"
		case field == "id" && !strings.Contains(value, "\x00"):
			id = value
		}
	}
	return events
}
