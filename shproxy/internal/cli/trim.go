// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	trimInterval = 5 * time.Second
	trimQuiet    = 4 << 20 // bytes allocated in an interval: with more, the collector comes by itself
	trimWorth    = 2 << 20 // bytes to give back
)

// trimmer gives memory back to the system when little happens. The runtime
// alone does not: the collector waits until as much was allocated as is in use,
// pools keep large buffers through a collection, and the room for all that,
// ballast included, stays with the process.
type trimmer struct {
	read func() memory
	free func()

	allocated  uint64 // at the last look
	live, kept uint64 // when memory was given back last; kept is spare that stayed
}

// memory is what the runtime tells of the heap, in bytes.
type memory struct {
	allocated uint64 // since the start
	held      uint64 // in use, garbage, or free and not given back
	live      uint64 // in use at the last collection
}

// newTrimmer takes all that is held already, such as the ballast, for in use.
func newTrimmer() *trimmer {
	return &trimmer{read: readMemory, free: freeMemory, live: readMemory().held}
}

// look gives memory back if little was allocated since the last look and it is
// worth while. Two collections of a heap that rests take some milliseconds.
func (t *trimmer) look() {
	now := t.read()
	quiet := now.allocated-t.allocated < trimQuiet
	t.allocated = now.allocated
	// More may be in use than when memory was given back last, but that shows
	// only in trying: what lies in a pool looks the same.
	spare := now.beyond(min(now.live, t.live))
	t.kept = min(t.kept, spare)
	if quiet && spare-t.kept > trimWorth {
		t.free()
		now = t.read()
		t.live, t.kept = now.live, now.beyond(now.live)
	}
}

// beyond is what is held beyond the bytes in use.
func (m memory) beyond(used uint64) uint64 { return m.held - min(m.held, used) }

// start looks every now and then until stop is called, which waits for the
// last look.
func (t *trimmer) start() (stop func()) {
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(trimInterval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				t.look()
			}
		}
	})
	return func() {
		close(done)
		looking.Wait()
	}
}

func readMemory() memory {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	return memory{allocated: s[0].Value.Uint64(), held: s[1].Value.Uint64() + s[2].Value.Uint64(), live: s[3].Value.Uint64()}
}

// freeMemory collects twice, since what lies in a pool survives one collection.
func freeMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
