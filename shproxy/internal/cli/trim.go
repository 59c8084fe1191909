// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
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
	n := measure("/gc/heap/allocs:bytes", "/memory/classes/heap/free:bytes", "/memory/classes/heap/objects:bytes", "/gc/heap/live:bytes")
	return memory{allocated: n[0], held: n[1] + n[2], live: n[3]}
}

// measure reads metrics of the runtime.
func measure(names ...string) []uint64 {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	values := make([]uint64, len(names))
	for i := range samples {
		values[i] = samples[i].Value.Uint64()
	}
	return values
}

// freeMemory collects twice, since what lies in a pool survives one collection.
func freeMemory() {
	runtime.GC()
	takeRoom()
	debug.FreeOSMemory()
}

// takeRoom allocates nearly all the room in the heap and leaves it to the
// collector, untouched. The runtime of Go 1.26 can lose sight of free memory
// that is not given back yet, several MB of it, until something near it is
// freed. A memory limit would count the room, so that is left alone then.
func takeRoom() {
	if debug.SetMemoryLimit(-1) < math.MaxInt64 {
		return
	}
	const block = 256 << 10
	room := measure("/memory/classes/heap/free:bytes", "/memory/classes/heap/released:bytes")
	blocks := make([]strings.Builder, (room[0]+room[1])/16*15/block) // all of it would not fit, and the heap would grow
	for i := range blocks {
		blocks[i].Grow(block) // which, unlike make, writes no zeros
	}
	runtime.KeepAlive(blocks)
}
