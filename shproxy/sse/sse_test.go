// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
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
		w.Prime([]byte("3-0"), time.Second),
		w.Prime([]byte("3-0"), 0),
		w.Message([]byte("3-\x0017\r\n"), []byte("{}")),
		w.Message(nil, []byte("{}")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := "data: {\"a\":1}\n\n" +
		"id: 12\nevent: xy\ndata: a\ndata: b\ndata: c\ndata: \n\n" +
		": keepalive\n\n" +
		"retry: 1500\n\n" +
		"id: prime\ndata: \n\n" +
		"retry: 1000\nid: 3-0\ndata: \n\n" +
		"id: 3-0\ndata: \n\n" +
		"id: 3-17\ndata: {}\n\n" +
		"data: {}\n\n"
	if got := b.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if flushes != 9 {
		t.Errorf("%d flushes", flushes)
	}
}

// writes records what a writer is given.
type writes [][]byte

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, p)
	return len(p), nil
}

func TestWriterCopiesOnlySmallEvents(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 64<<10)
	lines := bytes.Repeat([]byte("\r"), 10_000)
	for _, test := range []struct {
		name string
		data []byte
		most int
	}{
		{"empty", nil, 1}, {"small", large[:100], 1}, {"at the limit", large[:maxCopy-14], 1}, {"beyond it", large[:maxCopy], 3},
		{"large", large, 3}, {"lines", lines, 7*len(lines)/maxCopy + 2},
	} {
		var got writes
		w := NewWriter(&got, nil)
		if err := w.Message([]byte("1-2"), test.data); err != nil {
			t.Fatal(err)
		}
		if len(got) > test.most {
			t.Errorf("%s: %d writes, want %d", test.name, len(got), test.most)
		}
		if len(got) == 3 && &got[1][0] != &test.data[0] {
			t.Errorf("%s: the payload was copied", test.name)
		}
		if cap(w.buf) > 2*maxCopy {
			t.Errorf("%s: the buffer grew to %d bytes", test.name, cap(w.buf))
		}
	}
}

func TestWriterDoesNotAllocate(t *testing.T) {
	w := NewWriter(io.Discard, nil)
	id, data := []byte("3-17"), bytes.Repeat([]byte("x"), 64<<10)
	if n := testing.AllocsPerRun(100, func() {
		for _, err := range []error{
			w.Event(Event{Type: "message", Data: data[:100]}), w.Event(Event{ID: "3-17", Data: data}), w.Message(id, data),
			w.Prime(id, time.Second), w.Comment("keep-alive"), w.Retry(time.Minute),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// failOnce fails at one write of several.
type failOnce struct{ at, n int }

func (w *failOnce) Write(p []byte) (int, error) {
	if w.n++; w.n == w.at {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriterReportsErrors(t *testing.T) {
	for at := range 3 {
		w := NewWriter(&failOnce{at: at + 1}, nil)
		for range 2 {
			if err := w.Event(Event{Data: make([]byte, 64<<10)}); !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("write %d: err = %v", at, err)
			}
		}
	}
	w := NewWriter(iotest.TruncateWriter(io.Discard, 0), func() error { return io.ErrClosedPipe })
	if err := w.Event(Event{Data: []byte("a")}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("err = %v", err)
	}
	for _, data := range []int{0, 100, 1 << 20} {
		pr, pw := io.Pipe()
		_ = pr.CloseWithError(io.ErrUnexpectedEOF)
		w := NewWriter(pw, func() error { t.Error("flushed"); return nil })
		for range 2 {
			if err := w.Event(Event{ID: "1", Data: make([]byte, data)}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes: err = %v", data, err)
			}
		}
	}
}

// FuzzReader compares the reader with a plain reading of the standard.
func FuzzReader(f *testing.F) {
	f.Add("data: a\n\nid: 1\r\nevent: e\rdata: b\r\ndata\n\n: c\n\n", 3)
	f.Add("\ufeffretry: 10\nid: \x00\ndata: x", 1)
	f.Add("id: 5\ndata:\n\nid\n\ndata\ndata\n\n", 2)
	f.Add("retry: 1000\nid: 3-0\ndata: \n\nid: 3-1\ndata: {}\n\n", 5)
	f.Fuzz(func(t *testing.T, stream string, chunk int) {
		chunk = max(chunk, 1)%7 + 1
		r := NewReader(&chunkReader{stream, chunk}, 0)
		got, err := readAll(r)
		if err != io.EOF {
			t.Fatalf("err = %v", err)
		}
		want, lastID := reference(stream)
		if !slices.Equal(got, want) || r.LastEventID() != lastID {
			t.Fatalf("%q: got %q, id %q; want %q, id %q", stream, got, r.LastEventID(), want, lastID)
		}
		limit := chunk * 10
		r = NewReader(&chunkReader{stream, chunk}, limit)
		for {
			e, err := r.Next()
			if len(e.Data) > limit {
				t.Fatalf("%d bytes in spite of a limit of %d", len(e.Data), limit)
			}
			if err != nil {
				break
			}
		}
	})
}

// FuzzWriter reads what was written: it is what went in, but for what the
// format cannot hold.
func FuzzWriter(f *testing.F) {
	f.Add("3-17", "message", "{\"a\":1}", "keep-alive", 5)
	f.Add("a\r\nb\x00", " x", "\r\na\n\nb\r", "data: x\n\n", 1)
	f.Add("", "", "", "", 0)
	f.Fuzz(func(t *testing.T, id, event, data, comment string, times int) {
		data = strings.Repeat(data, min(max(times, 0), 1000))
		var b bytes.Buffer
		w := NewWriter(&b, nil)
		for _, err := range []error{
			w.Comment(comment), w.Prime([]byte(id), time.Second), w.Event(Event{ID: id, Type: event, Data: []byte(data)}),
			w.Comment(comment), w.Message([]byte(id), []byte(data)),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		cut := strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace
		lines := strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
		want := []string{cut(id) + "||", cut(id) + "|" + cut(event) + "|" + lines, cut(id) + "||" + lines}
		r := NewReader(&b, 0)
		if got, err := readAll(r); !slices.Equal(got, want) || err != io.EOF {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		if retry, ok := r.Retry(); !ok || retry != time.Second || r.LastEventID() != cut(id) {
			t.Errorf("retry %v, id %q", retry, r.LastEventID())
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
func reference(stream string) (events []string, lastID string) {
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
			event, data, lastID = "", "", id
		case field == "event":
			event = value
		case field == "data":
			data += value + "\n"
		case field == "id" && !strings.Contains(value, "\x00"):
			id = value
		}
	}
	return events, lastID
}

func BenchmarkWriter(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			w := NewWriter(io.Discard, nil)
			id, data := []byte("3-17"), bytes.Repeat([]byte("x"), size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Message(id, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{100, 64 << 10, 10 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var stream bytes.Buffer
			w := NewWriter(&stream, nil)
			if err := w.Message([]byte("3-17"), bytes.Repeat([]byte("x"), size)); err != nil {
				b.Fatal(err)
			}
			r := NewReader(&repeater{text: stream.Bytes()}, 0)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// repeater reads the same text for ever.
type repeater struct {
	text []byte
	at   int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}
