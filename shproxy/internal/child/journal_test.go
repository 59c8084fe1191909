// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A child may print some lines at once, and some each second; what is not
// logged is counted.
func TestJournalRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		j := newJournal(slog.New(slog.NewTextHandler(&out, nil)), "test")
		logged := func() (lines int, skipped string) {
			synctest.Wait()
			text := out.String()
			out.Reset()
			_, skipped, _ = strings.Cut(text, "skipped_lines=")
			skipped, _, _ = strings.Cut(skipped, "\n")
			return strings.Count(text, "msg=stderr server=test"), skipped
		}
		print := func(n int) {
			for range n {
				j.add(slog.LevelInfo, "stderr")
				synctest.Wait()
			}
		}
		print(500)
		if lines, skipped := logged(); lines != journalBurst || skipped != "" {
			t.Errorf("at once: %d lines, skipped %q", lines, skipped)
		}
		time.Sleep(time.Second)
		print(100)
		if lines, skipped := logged(); lines != journalRate || skipped != "400" {
			t.Errorf("after a second: %d lines, skipped %q", lines, skipped)
		}
		j.close()
		if lines, skipped := logged(); lines != 0 || skipped != "50" {
			t.Errorf("at the end: %d lines, skipped %q", lines, skipped)
		}
	})
}

// stuckHandler is a log whose reader has stopped reading.
type stuckHandler struct {
	slog.Handler
	release chan struct{}
	once    sync.Once
	stuck   chan struct{}
}

func (h *stuckHandler) Handle(ctx context.Context, r slog.Record) error {
	h.once.Do(func() { close(h.stuck) })
	<-h.release
	return h.Handler.Handle(ctx, r)
}

func TestJournalDoesNotWait(t *testing.T) {
	var out bytes.Buffer
	h := &stuckHandler{Handler: slog.NewTextHandler(&out, nil), release: make(chan struct{}), stuck: make(chan struct{})}
	j := newJournal(slog.New(h), "test")
	j.add(slog.LevelInfo, "first")
	<-h.stuck
	for range 1000 {
		j.add(slog.LevelInfo, "more")
	}
	j.mu.Lock()
	if len(j.waiting) > journalBurst {
		t.Errorf("%d lines wait", len(j.waiting))
	}
	j.mu.Unlock()
	close(h.release)
	j.close()
	if text := out.String(); !strings.Contains(text, "msg=first") || !strings.Contains(text, "skipped_lines=") {
		t.Errorf("logged %.200s", text)
	}
}
