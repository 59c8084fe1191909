// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"
	"testing/synctest"
	"time"
)

// Memory is given back when little happens, if that is worth while, and not
// again and again for what is in use or cannot be given back.
func TestTrimmer(t *testing.T) {
	var now, left memory // as it is, and as it is once memory was given back; in MiB, as below
	frees := 0
	trim := &trimmer{
		live: 17 << 20,
		read: func() memory { return memory{now.allocated << 20, now.held << 20, now.live << 20} },
		free: func() { frees++; now.held, now.live = left.held, left.live },
	}
	for _, step := range []struct {
		name                  string
		allocated, held, live uint64 // the first: since the last step
		left                  memory
		frees                 bool
	}{
		{"start", 17, 17, 17, memory{}, false},
		{"quiet", 0, 17, 17, memory{}, false},
		{"some calls", 1, 18, 17, memory{}, false},
		{"enough of them", 2, 20, 17, memory{held: 17, live: 17}, true},
		{"large messages", 50, 60, 30, memory{}, false},
		{"buffers of theirs in pools", 1, 60, 59, memory{held: 20, live: 17}, true},
		{"what cannot be given back", 0, 20, 17, memory{}, false},
		{"some calls beside it", 2, 22, 17, memory{}, false},
		{"many sessions", 8, 30, 17, memory{}, false},
		{"quiet with many sessions", 0, 30, 17, memory{held: 27, live: 25}, true},
		{"nothing to win", 0, 29, 25, memory{}, false},
		{"the sessions have ended", 0, 27, 25, memory{}, false},
		{"the collector has seen it", 0, 27, 18, memory{held: 17, live: 17}, true},
		{"many calls", 30, 35, 17, memory{}, false},
		{"as many still", 4, 35, 17, memory{}, false},
		{"fewer", 3, 35, 17, memory{held: 17, live: 17}, true},
	} {
		now = memory{now.allocated + step.allocated, step.held, step.live}
		left = step.left
		before := frees
		trim.look()
		if got := frees > before; got != step.frees {
			t.Errorf("%s: freed: %v, want %v", step.name, got, step.frees)
		}
	}
}

// It looks until it is told to stop.
func TestTrimmerRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		trim := &trimmer{read: func() memory { looks++; return memory{} }}
		stop := trim.start()
		time.Sleep(3*trimInterval + trimInterval/2)
		stop()
		if looks != 3 {
			t.Errorf("%d looks in three intervals and a half", looks)
		}
	})
}
