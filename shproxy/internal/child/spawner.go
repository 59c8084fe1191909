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

	mu       sync.Mutex
	children map[*Child]struct{} // guarded by mu; until nothing of them is left
	ended    sync.WaitGroup      // of children
}

type spawnRequest struct {
	cfg   Config
	to    Receiver
	reply chan<- spawnReply
}

type spawnReply struct {
	child *Child
	err   error
}

var errSpawnerClosed = errors.New("no more servers are started")

// NewSpawner starts the thread. Close releases it.
func NewSpawner() *Spawner {
	s := &Spawner{
		requests: make(chan spawnRequest),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		children: make(map[*Child]struct{}),
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
			if err == nil {
				s.own(c, req.to)
			}
			req.reply <- spawnReply{c, err}
		case <-s.closing:
			s.killAll()
			s.ended.Wait()
			return
		}
	}
}

// own lets a child work until its end.
func (s *Spawner) own(c *Child, to Receiver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children[c] = struct{}{}
	s.ended.Go(func() {
		c.serve(to)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.children, c)
	})
}

func (s *Spawner) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.children {
		c.Kill()
	}
}

// Start runs a child whose messages go to the receiver, perhaps before Start
// returns.
func (s *Spawner) Start(cfg Config, to Receiver) (*Child, error) {
	reply := make(chan spawnReply, 1)
	select {
	case s.requests <- spawnRequest{cfg, to, reply}:
	case <-s.closing:
		return nil, errSpawnerClosed
	}
	r := <-reply
	return r.child, r.err
}

// Close kills the children that still run, and returns when nothing is left
// of any child.
func (s *Spawner) Close() {
	s.close.Do(func() { close(s.closing) })
	<-s.done
}
