// SPDX-License-Identifier: Apache-2.0

package shclient

import "fmt"

// maxLanes bounds the legacy sessions of one program: each of them serves
// clients that say the same of themselves.
const maxLanes = 32

var errNoLane = localError(fmt.Sprintf("%d clients that differ in clientInfo or capabilities wait for answers, or are waited for, which is the limit", maxLanes))

// laneTable holds the lanes of modern programs by the key of their profile. The
// router guards it. Lanes are closed among the tasks of a remote.
type laneTable struct {
	open map[string]*lane
	used uint64 // counts uses
}

func (t *laneTable) add(key string, l *lane) {
	if t.open == nil {
		t.open = make(map[string]*lane)
	}
	t.open[key] = l
}

// enter returns a lane, which then is there until it is left; or nil.
func (t *laneTable) enter(key string) *lane {
	l := t.open[key]
	if l != nil {
		t.used++
		l.users, l.used = l.users+1, t.used
	}
	return l
}

// reenter is enter for a lane that may be gone. It reports whether it is there.
func (t *laneTable) reenter(l *lane) bool {
	if l.retired && l.users == 0 {
		return false
	}
	l.users++
	return true
}

func (t *laneTable) leave(l *lane, in *remote) {
	l.users--
	if l.retired && l.users == 0 {
		in.tasks.Go(l.close)
	}
}

// makeRoom drops lanes that have failed, and if there are too many also the one
// that nobody has used for the longest time. It reports whether there is room.
func (t *laneTable) makeRoom(in *remote) bool {
	var oldest *lane
	for _, l := range t.open {
		switch {
		case l.failed():
			t.drop(l, in)
		case l.users == 0 && !l.parks.Load() && (oldest == nil || l.used < oldest.used):
			oldest = l
		}
	}
	if len(t.open) >= maxLanes && oldest != nil {
		t.drop(oldest, in)
	}
	return len(t.open) < maxLanes
}

// drop takes a lane out of the table, and closes it once nobody uses it.
func (t *laneTable) drop(l *lane, in *remote) {
	for key, other := range t.open {
		if other == l {
			delete(t.open, key)
		}
	}
	if l.retired = true; l.users == 0 {
		in.tasks.Go(l.close)
	}
}

// dropAll drops every lane.
func (t *laneTable) dropAll(in *remote) {
	for _, l := range t.open {
		t.drop(l, in)
	}
}
