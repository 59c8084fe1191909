// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"time"
)

// maxBacklog bounds the bytes that wait on one stream for a reader that is
// slow or has not come yet. A single message may be larger.
const maxBacklog = 4 << 20

// Stream is the ordered queue of messages for one HTTP response: that of a
// call, of a batch, or the session's standalone stream. It has at most one
// reader at a time. Messages that were read stay in it for a while if it is
// resumable, so that a reader whose connection broke can read them again.
//
// Everything is guarded by the worker's lock.
type Stream struct {
	w    *Worker
	s    *Session // nil in MCP 2026-07-28
	wake chan struct{}
	turn uint // counts the readers; those of the past must not read on
	// kicked is why the last of those had to leave.
	kicked error

	queue   []*Frame
	head    int    // the frames before it are gone
	next    int    // the first frame that was not read; those before it are kept
	seq     uint64 // of the frame at head
	waiting int    // bytes of the frames that were never read

	number    uint64    // in event ids; 0 if the stream is not resumable
	leftAt    time.Time // when the last reader of a resumable stream went
	streaming bool      // it is read as an event stream
	attended  bool      // a reader is there, and takes more than the response
	answers   int       // responses to come before the stream ends; negative: it does not end
	ended     bool      // nothing follows what is queued
	cause     error     // why it ended, unless by its responses

	call  *Call   // whose stream it is, if it is one call's
	batch []*Call // whose stream it is, if it is a batch's
}

// Rest tells what can be expected of a stream after Next.
type Rest uint8

// What Next can leave behind.
const (
	Later   Rest = iota // nothing now; wait for Wake
	Queued              // more is there already
	Nothing             // the stream has ended
)

// Reader reads a stream for one HTTP response.
type Reader struct {
	t    *Stream
	wake chan struct{}
	turn uint
	json bool // it can take a lone response as JSON
}

// attend makes a new reader the only one. w.mu is held.
func (t *Stream) attend(json bool) Reader {
	if t.turn > 0 {
		t.kick(ErrReplaced)
	}
	t.turn++
	if t.s != nil {
		t.s.use(+1)
	}
	return Reader{t: t, wake: t.wake, turn: t.turn, json: json}
}

// kick makes the reader leave that is there. w.mu is held.
func (t *Stream) kick(why error) {
	t.signal()
	t.wake = make(chan struct{}, 1)
	t.turn++
	t.kicked = why
	t.attended, t.leftAt = false, time.Now()
}

// Wake has a value when there may be something to read.
func (r *Reader) Wake() <-chan struct{} { return r.wake }

// Next returns the next message, which the reader releases, or nil if there
// is none, and the message's event id. If the stream was cut off, the error
// tells why.
func (r *Reader) Next() (f *Frame, id EventID, rest Rest, cause error) {
	t := r.t
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if t.turn != r.turn {
		return nil, EventID{}, Nothing, t.kicked
	}
	unread := len(t.queue) - t.next
	if unread > 0 {
		if !t.streaming && (!r.json || !t.ended || unread > 1) {
			t.stream()
		}
		f = t.pop()
		id = t.lastID()
	}
	switch {
	case unread > 1:
		return f, id, Queued, nil
	case t.ended:
		return f, id, Nothing, t.cause
	}
	return f, id, Later, nil
}

// Stream says that the reply will be an event stream, and returns the id to
// begin it with.
func (r *Reader) Stream() EventID {
	r.t.w.mu.Lock()
	defer r.t.w.mu.Unlock()
	if r.t.turn == r.turn {
		r.t.stream()
	}
	return r.t.lastID()
}

// stream makes the stream an event stream, resumable if its session is.
// w.mu is held.
func (t *Stream) stream() {
	if t.streaming {
		return
	}
	t.streaming = true
	if t.s != nil && t.number == 0 {
		t.s.enroll(t)
	}
}

// lastID names the message that was read last. w.mu is held.
func (t *Stream) lastID() EventID {
	if t.number == 0 {
		return EventID{}
	}
	return EventID{t.number, t.seq + uint64(t.next-t.head)}
}

// Leave ends the reader's interest. A resumable stream waits for another
// reader; for a call of MCP 2026-07-28, leaving early is its cancellation.
func (r *Reader) Leave() {
	t := r.t
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if t.s != nil {
		t.s.use(-1)
	}
	switch {
	case t.turn != r.turn:
	case t.number == 0 && !t.standalone():
		t.abandon()
	default:
		t.attended = false
		t.leftAt = time.Now()
	}
}

func (t *Stream) standalone() bool { return t.s != nil && t == &t.s.stream }

// abandon gives up a stream that nobody will read, with its calls. w.mu is
// held.
func (t *Stream) abandon() {
	for _, c := range t.batch {
		c.abandon()
	}
	c := t.call
	if c != nil {
		c.abandon()
	}
	t.discard()
	if t.number != 0 {
		delete(t.s.replay.streams, t.number)
	} else if c != nil {
		c.recycle()
	}
}

// push queues a message and wakes the reader; an ended stream takes no more.
// w.mu is held.
func (t *Stream) push(f *Frame) {
	if t.ended {
		t.w.refuse(t.s, f)
		f.Release()
		return
	}
	t.queue = append(t.queue, f)
	t.waiting += len(f.Data)
	t.signal()
}

// pop takes the oldest message that was not read. w.mu is held.
func (t *Stream) pop() *Frame {
	f := t.queue[t.next]
	t.settle(f)
	t.next++
	if t.number != 0 {
		if !f.kept { // an older reader may still look at it
			f.kept = true
		}
		t.s.keep(t, f)
	} else {
		t.drop(t.next - t.head)
	}
	return f
}

// drop forgets the n oldest messages. w.mu is held.
func (t *Stream) drop(n int) {
	clear(t.queue[t.head : t.head+n])
	t.head += n
	t.seq += uint64(n)
	if 2*t.head >= len(t.queue) {
		t.queue = slices.Delete(t.queue, 0, t.head)
		t.next -= t.head
		t.head = 0
	}
}

// rewind makes the reader read again what follows the message with the
// sequence number. w.mu is held.
func (t *Stream) rewind(seq uint64) {
	to := t.head
	if seq > t.seq {
		to += int(min(seq-t.seq, uint64(len(t.queue)-t.head)))
	}
	for ; t.next > to; t.next-- {
		t.queue[t.next-1].again = true
	}
	t.s.replay.unkeep(t, t.seq+uint64(to-t.head))
	for n := to - t.next; n > 0; n-- { // the client has it, whatever we thought
		t.pop()
	}
}

// settle notes that a message does not wait any more. w.mu is held.
func (t *Stream) settle(f *Frame) {
	if !f.again {
		t.waiting -= len(f.Data)
	}
	f.again = false
}

// fits reports whether a message of n bytes may be queued. w.mu is held.
func (t *Stream) fits(n int) bool { return t.waiting == 0 || t.waiting+n <= maxBacklog }

// answered counts a response; the last one ends the stream. w.mu is held.
func (t *Stream) answered() {
	if t.answers--; t.answers == 0 {
		t.end(nil)
	}
}

// end lets the reader leave after what is queued. w.mu is held.
func (t *Stream) end(cause error) {
	if !t.ended {
		t.ended, t.cause = true, cause
		t.signal()
	}
}

// discard drops everything. w.mu is held.
func (t *Stream) discard() {
	for _, f := range t.queue[t.next:] {
		t.w.refuse(t.s, f)
		f.Release()
	}
	t.waiting, t.next = 0, len(t.queue)
	t.drop(len(t.queue) - t.head)
}

func (t *Stream) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
