// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"encoding/json"
	"net"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// vitals are what a bridge holds.
type vitals struct {
	Goroutines int
	Heap       uint64 // bytes in use after a collection
	Dump       string // of the goroutines
	Files      int    // open; -1 where that is not to be seen
	Resident   int64  // bytes of memory; -1 where that is not to be seen
}

// letLook answers, in the process of the bridge, the questions of the watcher.
func letLook(watcher string) {
	conn, err := net.Dial("tcp", watcher)
	if err != nil {
		return
	}
	for question := make([]byte, 1); ; {
		if _, err := conn.Read(question); err != nil {
			return
		}
		debug.FreeOSMemory()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		var dump strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&dump, 1) // into memory
		if json.NewEncoder(conn).Encode(vitals{Goroutines: runtime.NumGoroutine(), Heap: memory.HeapAlloc, Dump: dump.String()}) != nil {
			return
		}
	}
}

// A watcher looks into the process of a bridge.
type watcher struct {
	address string
	conn    chan net.Conn
	in      *json.Decoder
	out     net.Conn
}

func newWatcher(t testing.TB) *watcher {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	w := &watcher{address: listener.Addr().String(), conn: make(chan net.Conn, 1)}
	go func() {
		if conn, err := listener.Accept(); err == nil {
			w.conn <- conn
		}
	}()
	return w
}

// look returns what the bridge holds now.
func (p *program) look() (v vitals) {
	p.t.Helper()
	v.Files, v.Resident = look(p.cmd.Process.Pid)
	w := p.watch
	if w == nil {
		return v
	}
	if w.out == nil {
		select {
		case w.out = <-w.conn:
			w.in = json.NewDecoder(w.out)
			p.t.Cleanup(func() { w.out.Close() })
		case <-time.After(patience):
			p.t.Fatal("the bridge does not let itself be watched")
		}
	}
	if _, err := w.out.Write([]byte{'?'}); err != nil {
		p.t.Fatal(err)
	}
	files, resident := v.Files, v.Resident
	if err := w.in.Decode(&v); err != nil {
		p.t.Fatal(err)
	}
	v.Files, v.Resident = files, resident
	if _, after := look(p.cmd.Process.Pid); after >= 0 {
		v.Resident = after
	}
	return v
}
