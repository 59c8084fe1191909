// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxStreams bounds the streams of one session that can be resumed.
	maxStreams = 256
	// sweeps is how often it is looked, in the time that things are kept,
	// whether they are old.
	sweeps = 4
)

// ErrGone is returned by Resume when the stream is no longer held.
var ErrGone = errors.New("the event is no longer held; repeat the request")

// EventID names a message of a resumable stream of a session. The zero value
// names none.
type EventID struct{ Stream, Seq uint64 }

// Append appends the id as it is written in an event stream.
func (id EventID) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, id.Stream, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

func parseEventID(text string) (id EventID, err error) {
	stream, seq, ok := strings.Cut(text, "-")
	if !ok {
		return id, ErrGone
	}
	if id.Stream, err = strconv.ParseUint(stream, 10, 64); err != nil {
		return id, ErrGone
	}
	if id.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return id, ErrGone
	}
	return id, nil
}

// replay is what a session keeps so that its streams can be resumed: the
// messages read last, oldest first, bounded in bytes and time.
type replay struct {
	streams map[uint64]*Stream
	last    uint64 // number of a stream
	ring    []keptFrame
	bytes   int
	sweeper *time.Timer
}

type keptFrame struct {
	t   *Stream
	f   *Frame
	seq uint64
	at  time.Time
}

// enroll makes a stream resumable unless the session has too many of them, or
// none at all. w.mu is held.
func (s *Session) enroll(t *Stream) {
	if s.w.m.cfg.ReplayBytes <= 0 || s.plain || !s.replay.room() {
		return
	}
	if s.replay.streams == nil {
		s.replay.streams = make(map[uint64]*Stream)
	}
	s.replay.last++
	t.number = s.replay.last
	s.replay.streams[t.number] = t
	if s.replay.sweeper == nil {
		s.replay.sweeper = time.AfterFunc(s.w.m.cfg.ReplayTime/sweeps, s.sweep)
	}
}

// room makes a place for another stream, if need be in place of the oldest
// that has ended and was read. It reports false if there is none. w.mu is held.
func (r *replay) room() bool {
	if len(r.streams) < maxStreams {
		return true
	}
	var oldest *Stream
	for _, t := range r.streams {
		if t.ended && !t.attended && t.next == len(t.queue) && (oldest == nil || t.number < oldest.number) {
			oldest = t
		}
	}
	if oldest == nil {
		return false
	}
	oldest.abandon()
	return true
}

// keep notes a message that was read. w.mu is held.
func (s *Session) keep(t *Stream, f *Frame) {
	r := &s.replay
	r.bytes += len(f.Data)
	r.ring = append(r.ring, keptFrame{t, f, t.lastID().Seq, time.Now()})
	for r.bytes > s.w.m.cfg.ReplayBytes {
		s.evict()
	}
}

// unkeep takes out what is to be read again: the messages of a stream after
// the one with the sequence number. w.mu is held.
func (r *replay) unkeep(t *Stream, seq uint64) {
	r.ring = slices.DeleteFunc(r.ring, func(k keptFrame) bool {
		again := k.t == t && k.seq > seq
		if again {
			r.bytes -= len(k.f.Data)
		}
		return again
	})
}

// evict gives up the oldest message that is kept. w.mu is held.
func (s *Session) evict() {
	r := &s.replay
	oldest := r.ring[0]
	r.ring[0] = keptFrame{}
	r.ring = r.ring[1:]
	r.bytes -= len(oldest.f.Data)
	t := oldest.t
	for t.head < t.next {
		f := t.queue[t.head]
		t.drop(1)
		if f == oldest.f {
			break
		}
	}
	if t.ended && t.head == len(t.queue) && !t.attended {
		delete(r.streams, t.number)
	}
}

// sweep gives up what was kept for long enough: messages, and streams whose
// reader did not come back.
func (s *Session) sweep() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		return
	}
	r, limit := &s.replay, s.w.m.cfg.ReplayTime
	for len(r.ring) > 0 && time.Since(r.ring[0].at) >= limit {
		s.evict()
	}
	for _, t := range r.streams {
		if !t.standalone() && !t.attended && time.Since(t.leftAt) >= limit {
			t.abandon()
		}
	}
	r.sweeper.Reset(limit / sweeps)
}

// Resume opens the stream of an event again, after that event. An older
// reader of it has to leave.
func (s *Session) Resume(lastEventID string) (Reader, error) {
	id, err := parseEventID(lastEventID)
	if err != nil {
		return Reader{}, err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ended {
		return Reader{}, s.cause
	}
	t := s.replay.streams[id.Stream]
	if t == nil {
		return Reader{}, ErrGone
	}
	if missed := t.seq - min(id.Seq, t.seq); missed > 0 {
		s.w.m.dropped.Add(int64(missed))
		s.w.m.log(slog.LevelDebug, "a client came back too late for some messages", slog.Uint64("messages", missed))
	}
	r := t.attend(false)
	t.rewind(id.Seq)
	t.attended = true
	if t.standalone() {
		s.wake()
	}
	return r, nil
}
