// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package parent

import (
	"os"
	"time"
)

// interval is how often it is looked whether another process has taken the place
// of the parent. The system tells nobody but the parent of the parent; what
// Linux has for it (PR_SET_PDEATHSIG) is about the thread that started us, which
// may end long before its process.
const interval = 250 * time.Millisecond

func watch(done <-chan struct{}, gone func()) (ended <-chan struct{}) {
	over := make(chan struct{})
	parent := os.Getppid()
	if parent <= 1 {
		close(over)
		return over
	}
	go func() {
		defer close(over)
		look := time.NewTicker(interval)
		defer look.Stop()
		for {
			select {
			case <-look.C:
			case <-done:
				return
			}
			if os.Getppid() != parent {
				gone()
				return
			}
		}
	}()
	return over
}
