// SPDX-License-Identifier: Apache-2.0

package child

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The lines of one child that are logged: so many at once, and so many a
// second.
const (
	journalBurst = 100
	journalRate  = 50
)

// journal logs what a child prints. Neither a child that prints too much nor
// a log that takes too long holds up the caller of add: the lines are counted
// instead.
type journal struct {
	log    *slog.Logger
	server string

	writers sync.WaitGroup

	mu      sync.Mutex
	tokens  float64       // guarded by mu, as is all that follows
	filled  time.Time     // when tokens were added last
	waiting []slog.Record // for the writer
	writing bool          // there is a writer
	skipped int           // since the last line that was logged
}

func newJournal(log *slog.Logger, server string) *journal {
	return &journal{log: log, server: server, tokens: journalBurst}
}

func (j *journal) add(level slog.Level, message string, attrs ...slog.Attr) {
	if !j.log.Enabled(context.Background(), level) {
		return
	}
	now := time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.filled.IsZero() {
		j.tokens = min(journalBurst, j.tokens+now.Sub(j.filled).Seconds()*journalRate)
	}
	j.filled = now
	if j.tokens < 1 || len(j.waiting) >= journalBurst {
		j.skipped++
		return
	}
	j.tokens--
	j.reportSkipped(now)
	j.put(now, level, message, attrs...)
}

// reportSkipped says how many lines are missing in the log. j.mu is held.
func (j *journal) reportSkipped(now time.Time) {
	if j.skipped > 0 {
		j.put(now, slog.LevelWarn, "the server printed more than is logged", slog.Int("skipped_lines", j.skipped))
		j.skipped = 0
	}
}

// put queues a record and sees to it that somebody writes it. j.mu is held.
func (j *journal) put(now time.Time, level slog.Level, message string, attrs ...slog.Attr) {
	r := slog.NewRecord(now, level, message, 0)
	r.AddAttrs(slog.String("server", j.server))
	r.AddAttrs(attrs...)
	j.waiting = append(j.waiting, r)
	if !j.writing {
		j.writing = true
		j.writers.Go(j.write)
	}
}

// write logs until nothing waits.
func (j *journal) write() {
	for {
		j.mu.Lock()
		records := j.waiting
		j.waiting = nil
		j.writing = len(records) > 0
		j.mu.Unlock()
		if len(records) == 0 {
			return
		}
		for _, r := range records {
			_ = j.log.Handler().Handle(context.Background(), r)
		}
	}
}

// close waits until everything is logged. Nothing may be added any more.
func (j *journal) close() {
	j.mu.Lock()
	j.reportSkipped(time.Now())
	j.mu.Unlock()
	j.writers.Wait()
}
