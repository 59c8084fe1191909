// SPDX-License-Identifier: Apache-2.0

//go:build unix

package child

import (
	"os"
	"syscall"
)

// group is the process group that a child leads. Its number is not given to
// another while the leader is not reaped or anybody else of it is left.
type group struct{ id int }

func newGroup(p *os.Process) (group, error) { return group{p.Pid}, nil }

// terminate asks the child and its descendants to end.
func (g group) terminate() { _ = syscall.Kill(-g.id, syscall.SIGTERM) }

// kill ends the child and its descendants.
func (g group) kill() { _ = syscall.Kill(-g.id, syscall.SIGKILL) }

// empty reports whether nobody is left. Zombies count.
func (g group) empty() bool { return syscall.Kill(-g.id, 0) == syscall.ESRCH }

func (g group) close() {}
