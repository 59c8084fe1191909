// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signals are what the operating system asks for.
type signals struct {
	stop   context.Context // ends with the first interrupt or termination
	kill   context.Context // ends with the second; a third ends the process
	reload chan struct{}   // has a value after a hangup

	// reloads says that a hangup means to read files again. Otherwise it ends
	// the program, as one that belongs to a terminal.
	reloads atomic.Bool
}

// watchSignals watches until done is called.
func watchSignals() (s *signals, done func()) {
	s = &signals{reload: make(chan struct{}, 1)}
	var stop, kill context.CancelFunc
	s.stop, stop = context.WithCancel(context.Background())
	s.kill, kill = context.WithCancel(context.Background())
	got := make(chan os.Signal, 4)
	watched := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as with nohup
		watched = append(watched, syscall.SIGHUP)
	}
	signal.Notify(got, watched...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for sig := range got {
			switch {
			case sig == syscall.SIGHUP && s.reloads.Load():
				select {
				case s.reload <- struct{}{}:
				default: // one is waiting already
				}
			case s.stop.Err() == nil:
				stop()
			default:
				signal.Stop(got)
				kill()
			}
		}
	}()
	return s, func() {
		signal.Stop(got)
		close(got)
		<-ended
		stop()
		kill()
	}
}
