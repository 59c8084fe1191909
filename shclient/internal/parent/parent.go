// SPDX-License-Identifier: Apache-2.0

// Package parent notices the end of the process that started this one. The end
// of its standard input does not always tell: others may hold the other end
// open, such as a sibling that inherited it.
package parent

import "sync"

// Watch calls gone, once, when the process that started this one has ended. Stop
// ends the watch and waits for it, except for a wait of the system that cannot
// be called off (Windows). A process whose parent has ended before, or that has
// none, is not watched.
func Watch(gone func()) (stop func()) {
	done := make(chan struct{})
	ended := watch(done, gone)
	return sync.OnceFunc(func() {
		close(done)
		<-ended
	})
}
