// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"runtime"
	"sync"
)

// Spawner starts children, one at a time, from one thread that lives as long
// as the spawner. Linux delivers the parent-death signal when the thread that
// started a process ends, not the program, so that thread must not be one
// that the runtime may retire.
type Spawner struct {
	requests chan spawnRequest
	closing  chan struct{}
	close    sync.Once
	done     chan struct{}
}

type spawnRequest struct {
	cfg   Config
	reply chan<- spawnReply
}

type spawnReply struct {
	child *Child
	err   error
}

var errSpawnerClosed = errors.New("no more servers are started")

// NewSpawner starts the thread. Close must be called when all children have
// ended.
func NewSpawner() *Spawner {
	s := &Spawner{
		requests: make(chan spawnRequest),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	go s.run()
	return s
}

func (s *Spawner) run() {
	defer close(s.done)
	// Never unlocked: the thread ends with this goroutine.
	runtime.LockOSThread()
	for {
		select {
		case req := <-s.requests:
			c, err := start(req.cfg)
			req.reply <- spawnReply{c, err}
		case <-s.closing:
			return
		}
	}
}

// Start runs a child whose messages go to the receiver.
func (s *Spawner) Start(cfg Config, to Receiver) (*Child, error) {
	reply := make(chan spawnReply, 1)
	select {
	case s.requests <- spawnRequest{cfg, reply}:
	case <-s.closing:
		return nil, errSpawnerClosed
	}
	r := <-reply
	if r.err != nil {
		return nil, r.err
	}
	r.child.serve(to)
	return r.child, nil
}

// Close ends the thread; on Linux this kills children that still run.
func (s *Spawner) Close() {
	s.close.Do(func() { close(s.closing) })
	<-s.done
}
