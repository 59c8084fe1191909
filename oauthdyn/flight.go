// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"sync"
)

// flights lets callers that want the same thing share one attempt and its
// outcome. The zero value is ready.
type flights struct {
	mu  sync.Mutex
	all map[string]*flight // mu guards all
}

type flight struct {
	cancel  context.CancelFunc
	waiting int           // flights.mu guards waiting
	done    chan struct{} // closed once creds and err are set
	creds   *Credentials
	err     error
}

// do runs f once for all callers that come with the same key while it runs. f
// gets a context of its own, which keeps the values of the first caller's and
// ends when the last caller has given up; that caller waits for f to return.
func (s *flights) do(ctx context.Context, key string, f func(context.Context) (*Credentials, error)) (*Credentials, error) {
	s.mu.Lock()
	fl := s.all[key]
	if fl == nil {
		fl = s.start(ctx, key, f)
	}
	fl.waiting++
	s.mu.Unlock()

	select {
	case <-fl.done:
		return fl.creds, fl.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	fl.waiting--
	last := fl.waiting == 0
	if last && s.all[key] == fl {
		delete(s.all, key) // nobody may join what is being called off
	}
	s.mu.Unlock()
	if last {
		fl.cancel()
		<-fl.done
	}
	return nil, ctx.Err()
}

// start begins a flight; the caller holds s.mu.
func (s *flights) start(ctx context.Context, key string, f func(context.Context) (*Credentials, error)) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{cancel: cancel, done: make(chan struct{})}
	if s.all == nil {
		s.all = map[string]*flight{}
	}
	s.all[key] = fl
	go func() {
		defer cancel()
		defer close(fl.done)
		fl.creds, fl.err = f(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.all[key] == fl {
			delete(s.all, key)
		}
	}()
	return fl
}

// running reports whether a flight with the key is under way.
func (s *flights) running(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[key] != nil
}
