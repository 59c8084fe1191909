// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// Signals are what the operating system asks a program for.
type Signals struct {
	Stop   context.Context // ends with the first interrupt, termination or, unless Reloads, hangup
	Kill   context.Context // ends with the second; a third ends the process
	Reload <-chan struct{} // has a value after a hangup, if Reloads

	// Reloads says that a hangup means to read files again. Otherwise it ends
	// the program, as one that belongs to a terminal.
	Reloads atomic.Bool
}

// WatchSignals watches until done is called, which ends both contexts. A hangup
// that the process ignores, as with nohup, stays ignored. A command passes
// [signal.Notify] and [signal.Stop]: only it has a say in what its process does
// about signals.
func WatchSignals(notify func(chan<- os.Signal, ...os.Signal), unnotify func(chan<- os.Signal)) (s *Signals, done func()) {
	reload := make(chan struct{}, 1)
	s = &Signals{Reload: reload}
	var stop, kill context.CancelFunc
	s.Stop, stop = context.WithCancel(context.Background())
	s.Kill, kill = context.WithCancel(context.Background())
	got := make(chan os.Signal, 4)
	watched := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as with nohup
		watched = append(watched, syscall.SIGHUP)
	}
	notify(got, watched...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for sig := range got {
			switch {
			case sig == syscall.SIGHUP && s.Reloads.Load():
				select {
				case reload <- struct{}{}:
				default: // one is waiting already
				}
			case s.Stop.Err() == nil:
				stop()
			default:
				unnotify(got)
				kill()
			}
		}
	}()
	return s, func() {
		unnotify(got)
		close(got)
		<-ended
		stop()
		kill()
	}
}
