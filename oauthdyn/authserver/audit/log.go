// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxQueue   = 8192     // events that wait to be written
	maxBatch   = 64 << 10 // bytes that are written at once
	retryAfter = time.Second
)

// A Log writes events as JSON lines. Whoever records one does not wait for the
// writing, so that a slow disk does not hold up the server.
//
// What cannot be written is tried again every second, in its order. While that
// lasts up to 8,192 events wait; those that come then are lost. The logger is
// told when writing begins to fail, and of the first loss, the second, the fourth
// and so on; the log itself by an event [Lost], with their number, as soon as it
// can be written. A process that is killed loses what still waits: usually what
// happened in its last millisecond.
//
// A Log is safe for concurrent use.
type Log struct {
	open   func() (io.WriteCloser, error)
	log    *slog.Logger
	queue  chan Event
	reopen chan chan error
	stop   chan struct{} // closed by Close
	ended  chan struct{} // closed when all is written
	lost   atomic.Int64  // since New
	once   sync.Once

	// The rest belongs to the writer.
	to      io.WriteCloser
	pending bytes.Buffer // whole lines
	broken  bool         // a part of a line is in the file
	failing bool
	told    int64 // of lost
	err     error // why what is pending cannot be written
}

// NewLog starts a log. open is called now and by [Log.Reopen]. Failures go to
// logger, once when they begin; nil means nowhere.
func NewLog(open func() (io.WriteCloser, error), logger *slog.Logger) (*Log, error) {
	to, err := open()
	if err != nil {
		return nil, err
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		open: open, log: logger, to: to,
		queue: make(chan Event, maxQueue), reopen: make(chan chan error),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go l.run()
	return l, nil
}

// OpenFile starts a log at the end of a file. If there is none it is made,
// readable for its owner alone.
func OpenFile(path string, logger *slog.Logger) (*Log, error) {
	return NewLog(func() (io.WriteCloser, error) {
		return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}, logger)
}

// Record writes an event, soon. It is what Options.Audit of a server wants. An
// event that is recorded after Close is lost.
func (l *Log) Record(_ context.Context, e Event) {
	select {
	case <-l.stop:
		l.lose(e)
		return
	default:
	}
	select {
	case l.queue <- e:
	default:
		l.lose(e)
	}
}

func (l *Log) lose(e Event) {
	if n := l.lost.Add(1); n&(n-1) == 0 { // the 1st, 2nd, 4th, ...
		l.log.LogAttrs(context.Background(), slog.LevelError, "audit events are lost, since they cannot be written fast enough",
			slog.Int64("lost", n), slog.String("event", string(e.Kind)))
	}
}

// LostEvents returns how many events were lost since the log was started.
func (l *Log) LostEvents() int64 { return l.lost.Load() }

// Reopen opens the file anew, after it was renamed. If that fails the log goes
// on in the old one.
func (l *Log) Reopen() error {
	answer := make(chan error, 1)
	select {
	case l.reopen <- answer:
		return <-answer
	case <-l.ended:
		return errors.New("audit: the log is closed")
	}
}

// Close writes what waits and closes the file. The error tells what was not
// written.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.stop) })
	<-l.ended
	return l.err
}

// run is the writer.
func (l *Log) run() {
	defer close(l.ended)
	for {
		var retry <-chan time.Time
		if l.failing {
			retry = time.After(retryAfter)
		}
		queue := l.queue
		if l.failing {
			queue = nil // what is pending comes first
		}
		select {
		case e := <-queue:
			l.add(e)
			l.gather()
		case answer := <-l.reopen:
			answer <- l.change()
		case <-retry:
		case <-l.stop:
			l.finish()
			return
		}
		l.flush()
	}
}

// gather adds what waits, up to a batch.
func (l *Log) gather() {
	for l.pending.Len() < maxBatch {
		select {
		case e := <-l.queue:
			l.add(e)
		default:
			return
		}
	}
}

// add makes a line of an event.
func (l *Log) add(e Event) {
	e.Clean()
	e.Time = e.Time.UTC()
	line, err := json.Marshal(&e)
	if err != nil { // a time that is out of range
		l.lose(e)
		return
	}
	l.pending.Write(line)
	l.pending.WriteByte('\n')
}

// change opens the file anew.
func (l *Log) change() error {
	to, err := l.open()
	if err != nil {
		return err
	}
	if err := l.to.Close(); err != nil {
		l.log.LogAttrs(context.Background(), slog.LevelError, "audit log: the old file could not be closed", slog.String("error", err.Error()))
	}
	l.to, l.broken = to, false
	return nil
}

// flush writes what is pending, and how many events are missing behind it.
func (l *Log) flush() {
	if lost := l.lost.Load(); lost > l.told && !l.failing {
		l.add(Event{Time: time.Now(), Kind: Lost, Outcome: Failure, By: ByServer, Count: int(lost - l.told)})
		l.told = lost
	}
	if l.pending.Len() == 0 {
		return
	}
	if l.broken {
		if _, err := l.to.Write([]byte{'\n'}); err != nil {
			l.failed(err)
			return
		}
		l.broken = false
	}
	n, err := l.to.Write(l.pending.Bytes())
	if err == nil && n < l.pending.Len() {
		err = io.ErrShortWrite
	}
	// Whole lines that are in the file stay there. One that was cut is written
	// again, on a line of its own.
	whole := bytes.LastIndexByte(l.pending.Bytes()[:n], '\n') + 1
	l.broken = n > whole
	l.pending.Next(whole)
	if err != nil {
		l.failed(err)
		return
	}
	if l.failing {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "the audit log can be written again")
	}
	l.failing, l.err = false, nil
	if l.lost.Load() > l.told {
		l.flush()
	}
}

func (l *Log) failed(err error) {
	if !l.failing {
		l.log.LogAttrs(context.Background(), slog.LevelError, "the audit log cannot be written; it is tried again every second", slog.String("error", err.Error()))
	}
	l.failing, l.err = true, err
}

// finish writes all that waits, or says what could not be written.
func (l *Log) finish() {
	for l.flush(); !l.failing; l.flush() {
		if l.gather(); l.pending.Len() == 0 && l.lost.Load() == l.told {
			break
		}
	}
	missing := bytes.Count(l.pending.Bytes(), []byte{'\n'}) + len(l.queue)
	err := l.err
	if closeErr := l.to.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		l.err = fmt.Errorf("audit: %d events were not written: %w", missing, err)
	}
}
