// SPDX-License-Identifier: Apache-2.0

//go:build !race

package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A command that has carried a large message goes back to about the size that
// it had before. (The race detector has memory of its own, which stays.)
func TestMemoryIsGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the command to rest")
	}
	t.Parallel()
	c := start(t, "--", "testserver", "good")
	session := c.open(c.url)
	carry := func(bytes int) {
		t.Helper()
		call := fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"big","arguments":{"count":%d}}}`, bytes)
		if resp, body := c.post(call, "Mcp-Session-Id", session); len(body) < bytes {
			t.Fatalf("%s, %d bytes", resp.Status, len(body))
		}
	}
	carry(1)
	before := c.resident()
	const large = 10 << 20
	carry(large)
	if grown := c.resident(); grown < before+large {
		t.Fatalf("%d bytes after a large message, %d before it: what is measured here?", grown, before)
	}
	const enough = time.Minute // not to wait for ever
	for begun := time.Now(); c.resident() > before+large/2; time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > enough {
			t.Fatalf("still %d bytes, %d before", c.resident(), before)
		}
	}
}

// After a busy time nothing that is free stays with the process. The runtime
// alone may keep several MB: it does in most of these rounds.
func TestFreeMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("allocates much")
	}
	for range 5 {
		var blocks [64][]byte
		var all sync.WaitGroup
		for i := range blocks {
			all.Go(func() {
				for range 200 {
					n := rand.IntN(40 << 10)
					if rand.IntN(20) == 0 {
						n = rand.IntN(4 << 20)
					}
					blocks[i] = make([]byte, n)
					time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
				}
			})
		}
		all.Wait()
		clear(blocks[:])
		var held []uint64
		for range 5 { // it does not always succeed at once, least of all on a busy machine
			freeMemory()
			held = append(held, measure("/memory/classes/heap/free:bytes")[0])
			if held[len(held)-1] <= 1<<20 {
				break
			}
		}
		if held[len(held)-1] > 1<<20 {
			t.Errorf("bytes that are free and still held: %d", held)
		}
	}
}

// resident is the memory of the process that no file backs, in bytes.
func (c *command) resident() int {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nRssAnon:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		c.t.Fatal(err)
	}
	return kib << 10
}
