// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"sync"
)

// opening is how many sessions are opened at a time.
const opening = 16

// Sessions are open sessions with a target.
type Sessions []Session

// OpenAll opens n sessions, first among them. With an error it closes those that
// are open, but first.
func OpenAll(ctx context.Context, t Target, first Session, n int) (Sessions, error) {
	all := make(Sessions, n)
	all[0] = first
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room := make(chan struct{}, opening)
	var running sync.WaitGroup
	for i := 1; i < n; i++ {
		running.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if ctx.Err() != nil {
				return
			}
			s, err := t.Open(ctx)
			if err != nil {
				cancel(err)
				return
			}
			all[i] = s
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		all[1:].Close()
		return nil, context.Cause(ctx)
	}
	return all, nil
}

// Close ends the sessions that are not nil.
func (all Sessions) Close() {
	room := make(chan struct{}, opening)
	var running sync.WaitGroup
	for _, s := range all {
		if s == nil {
			continue
		}
		running.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			s.Close()
		})
	}
	running.Wait()
}

// Lanes prepares the lanes of a step.
func (all Sessions) Lanes(c Call, concurrency int) ([]Lane, error) {
	var lanes []Lane
	for range concurrency {
		for _, s := range all {
			lane, err := s.Lane(c)
			if err != nil {
				return nil, err
			}
			lanes = append(lanes, lane)
		}
	}
	return lanes, nil
}
