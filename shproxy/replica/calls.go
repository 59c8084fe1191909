// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"sync"
)

// calls counts what is on its way. Its zero value is ready to use, and safe
// for concurrent use.
type calls struct {
	mu   sync.Mutex
	open int           // guarded by mu
	none chan struct{} // guarded by mu; nil: nobody waits
}

func (c *calls) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// wait waits until there is none, or ctx ends.
func (c *calls) wait(ctx context.Context) {
	c.mu.Lock()
	if c.open == 0 {
		c.mu.Unlock()
		return
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}
