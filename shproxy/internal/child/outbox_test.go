// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func queue(o *outbox, frame []byte) error {
	_, err := o.queue(frame)
	return err
}

func TestOutboxIsBounded(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := newOutbox(w, 100)
	if err := queue(o, []byte(`{"long":"`+strings.Repeat("x", 200)+`"}`)); err != nil {
		t.Errorf("into an empty queue: %v", err)
	}
	if err := queue(o, []byte(`{}`)); err != ErrBusy {
		t.Errorf("into a full queue: %v", err)
	}
	go o.run()
	buf := make([]byte, 1000)
	if n, err := r.Read(buf); err != nil || n != 212 {
		t.Errorf("read %d, %v", n, err)
	}
	if err := queue(o, []byte("{\r\n}")); err != nil {
		t.Error(err)
	}
	if n, err := r.Read(buf); err != nil || string(buf[:n]) != "{  }\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	o.close()
	o.close()
	if err := queue(o, []byte("{}")); err != ErrClosed {
		t.Errorf("after close: %v", err)
	}
}

// The position in the stream counts every byte that the child can read.
func TestOutboxCounts(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := newOutbox(w, 1000)
	frame := []byte(`{"id":"x"}`)
	var ends []int64
	for range 2 {
		end, err := o.queue(frame, jsonrpc.Edit{Span: jsonrpc.Span{Start: 6, End: 9}, With: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if want := int64(len(`{"id":1}`) + 1); ends[0] != want || ends[1] != 2*want || o.waiting() != int(2*want) || o.written.Load() != 0 {
		t.Errorf("ends %v, %d waiting, %d written", ends, o.waiting(), o.written.Load())
	}
	done := make(chan error)
	go func() { done <- o.run() }()
	if _, err := io.ReadFull(r, make([]byte, ends[1])); err != nil {
		t.Fatal(err)
	}
	for o.waiting() > 0 { // the writer counts after the write
		runtime.Gosched()
	}
	o.close()
	if err := <-done; err != nil || o.written.Load() != ends[1] {
		t.Errorf("%v; %d written", err, o.written.Load())
	}
}

// A frame that was cut off by the end counts with the bytes that went out, and
// thus as not written.
func TestOutboxCountsPartialWrite(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o := newOutbox(w, 100)
	end, err := o.queue(make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- o.run() }()
	const read = 1000
	if _, err := io.ReadFull(r, make([]byte, read)); err != nil { // then the writer is at work
		t.Fatal(err)
	}
	o.close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(r)
	if got := o.written.Load(); err != nil || got != int64(read+len(rest)) || got >= end {
		t.Errorf("%d written, %d read, %v", got, read+len(rest), err)
	}
}

func TestOutboxTellsOfDeafReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	o := newOutbox(w, 100)
	if err := queue(o, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := o.run(); err == nil {
		t.Error("no error")
	}
	o.close()
}

// The hot path allocates nothing.
func BenchmarkQueue(b *testing.B) {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	o := newOutbox(w, keep/2)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	go func() { _ = o.run() }()
	frame := []byte(`{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}`)
	edit := jsonrpc.Edit{Span: jsonrpc.Span{Start: 22, End: 24}, With: []byte("4711")}
	b.ReportAllocs()
	for b.Loop() {
		for errors.Is(queueEdited(o, frame, edit), ErrBusy) {
			runtime.Gosched()
		}
	}
	o.close()
}

func queueEdited(o *outbox, frame []byte, edit jsonrpc.Edit) error {
	_, err := o.queue(frame, edit)
	return err
}

// The room that a large message took is not kept after it was written.
func TestOutboxForgetsLargeBuffers(t *testing.T) {
	o := newOutbox(nil, 100)
	if err := queue(o, make([]byte, 2*keep)); err != nil {
		t.Fatal(err)
	}
	if n := len(o.take()); n != 2*keep+1 {
		t.Errorf("took %d bytes", n)
	}
	if lines := o.take(); lines != nil || cap(o.spare) > keep || cap(o.lines) > keep {
		t.Errorf("kept %d and %d bytes", cap(o.spare), cap(o.lines))
	}
}
