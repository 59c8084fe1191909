// SPDX-License-Identifier: Apache-2.0

package session

import "slices"

// maxBacklog bounds the bytes that wait on one stream for a reader that is
// slow or has not come yet. A single message may be larger.
const maxBacklog = 4 << 20

// Stream is the ordered queue of messages for one HTTP response: a call's
// own, or the session's standalone stream. It has one reader. Resumption
// (Last-Event-ID) would keep what was read for a while in the same place.
type Stream struct {
	s    *Session
	wake chan struct{}

	// All guarded by s.mu.
	queue    []*Frame
	head     int // of the queue; the frames before it are gone
	bytes    int
	attended bool  // a reader is there, and takes more than the response
	ended    bool  // nothing follows what is queued
	cause    error // why it ended, unless by the response
}

// Wake has a value when there may be something to read.
func (t *Stream) Wake() <-chan struct{} { return t.wake }

// Rest tells what can be expected of a stream after Next.
type Rest uint8

// What Next can leave behind.
const (
	Later   Rest = iota // nothing now; wait for Wake
	Queued              // more is there already
	Nothing             // the stream has ended
)

// Next returns the next message, which the reader releases, or nil if there
// is none. If the stream was cut off, the error tells why.
func (t *Stream) Next() (f *Frame, rest Rest, cause error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	f = t.pop()
	switch {
	case t.head < len(t.queue):
		return f, Queued, nil
	case t.ended:
		return f, Nothing, t.cause
	}
	return f, Later, nil
}

// push queues a message and wakes the reader; an ended stream takes no more.
// s.mu is held.
func (t *Stream) push(f *Frame) {
	if t.ended {
		t.s.refuse(f)
		f.Release()
		return
	}
	t.queue = append(t.queue, f)
	t.bytes += len(f.Data)
	t.signal()
}

// pop takes the oldest message, or nil. s.mu is held.
func (t *Stream) pop() *Frame {
	if t.head == len(t.queue) {
		return nil
	}
	f := t.queue[t.head]
	t.queue[t.head] = nil
	t.bytes -= len(f.Data)
	if t.head++; 2*t.head >= len(t.queue) {
		t.queue, t.head = slices.Delete(t.queue, 0, t.head), 0
	}
	return f
}

// fits reports whether a message of n bytes may be queued. s.mu is held.
func (t *Stream) fits(n int) bool { return t.bytes == 0 || t.bytes+n <= maxBacklog }

// takeOver moves what waits on another stream to this one. s.mu is held.
func (t *Stream) takeOver(from *Stream) {
	for f := from.pop(); f != nil; f = from.pop() {
		t.push(f)
	}
}

// end lets the reader leave after what is queued. s.mu is held.
func (t *Stream) end(cause error) {
	if !t.ended {
		t.ended, t.cause = true, cause
		t.signal()
	}
}

// discard drops what is queued. s.mu is held.
func (t *Stream) discard() {
	for f := t.pop(); f != nil; f = t.pop() {
		t.s.refuse(f)
		f.Release()
	}
}

func (t *Stream) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
