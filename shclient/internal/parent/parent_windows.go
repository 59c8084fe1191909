// SPDX-License-Identifier: Apache-2.0

package parent

import "os"

// watch waits for the process object of the parent, which outlives it as long as
// it is held.
func watch(done <-chan struct{}, gone func()) (ended <-chan struct{}) {
	over := make(chan struct{})
	close(over)
	process, err := os.FindProcess(os.Getppid())
	if err != nil {
		return over
	}
	go func() { // ends with this process at the latest: the wait cannot be called off
		defer func() { _ = process.Release() }()
		if _, err := process.Wait(); err != nil {
			return
		}
		select {
		case <-done:
		default:
			gone()
		}
	}()
	return over
}
