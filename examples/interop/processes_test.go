// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// newMark returns an environment entry for a server, by which it and all that
// it starts are found. What is left at the end of a failed test is killed.
func newMark(t *testing.T) string {
	mark := "INTEROP_MARK=" + rand.Text()
	t.Cleanup(func() {
		for pid := range markedProcesses(mark) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return mark
}

// awaitProcess waits until the server is found: else it would prove nothing
// that nothing is found later.
func (c *conn) awaitProcess(mark string) {
	c.Helper()
	await(c.ctx, c.T, func() string {
		if canFindProcesses && len(markedProcesses(mark)) == 0 {
			return "a process of the server"
		}
		return ""
	})
}

func (c *conn) awaitNoProcess(mark string) {
	c.Helper()
	await(c.ctx, c.T, func() string {
		if left := markedProcesses(mark); len(left) > 0 {
			return "the end of " + describe(left)
		}
		return ""
	})
}

func describe(processes map[int]string) string {
	return strings.Join(slices.Sorted(maps.Values(processes)), ", ")
}
