// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"os/exec"
	"testing"
	"time"
)

// Processes are found wherever they are in the tree, and zombies of theirs do
// not stay.
func TestMarked(t *testing.T) {
	k, err := newKeeper()
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	run := &torture{keeper: k, marker: "torture-test-" + rand.Text()}
	defer run.sweep()
	cmd := exec.Command(builtServer(t), roleDaemon, run.marker)
	if err := k.start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := k.wait(cmd); err != nil {
		t.Fatal(err)
	}
	var found []proc
	for end := time.Now().Add(time.Minute); len(found) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		found = marked(run.marker)
	}
	if len(found) != 1 || found[0].role != roleOrphan || !found[0].alive() {
		t.Fatalf("found %+v, want one %s", found, roleOrphan)
	}
	if n := run.sweep(); n == 0 {
		t.Error("sweep has found nothing")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, there := readProc(found[0].pid); !there {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the orphan stays as a zombie")
		}
	}
}

func TestParseGoroutines(t *testing.T) {
	const dump = `SIGQUIT: quit
PC=0x1 m=0 sigcode=0

goroutine 0 gp=0x1 m=0 [idle]:
runtime.futex()

goroutine 1 [select]:
main.main()

goroutine 21 [select]:
example.com/m/child.(*Child).drain()
	/src/streams.go:70
created by example.com/m/child.(*Child).serve in goroutine 9
	/src/child.go:150 +0x1

goroutine 22 [select]:
x()
created by example.com/m/child.(*Child).serve in goroutine 10
	/src/child.go:150 +0x1

goroutine 3 [GC sweep wait]:
runtime.bgsweep()
created by runtime.gcenable in goroutine 1
	/go/mgc.go:1 +0x1

rax    0x0
`
	got := parseGoroutines(dump)
	if len(got) != 2 || got["main"] != 1 || got["child.(*Child).serve"] != 2 {
		t.Errorf("got %v", got)
	}
}
