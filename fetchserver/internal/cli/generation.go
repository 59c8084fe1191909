// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

// A generation is a server as one reading of the settings made it.
type generation struct {
	http.Handler
	server *fetchserver.Server
	parts  *parts
	calls  sync.WaitGroup // the requests that it serves
}

// close waits for the requests and lets go of everything.
func (g *generation) close() {
	g.calls.Wait()
	g.server.Close()
	g.parts.Close()
}

// current serves with the newest generation; requests that an older one has
// taken end there.
type current struct {
	mu  sync.Mutex
	now *generation

	old sync.WaitGroup // the generations that come to their end
}

func (c *current) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	g := c.now
	g.calls.Add(1)
	c.mu.Unlock()
	defer g.calls.Done()
	g.ServeHTTP(w, r)
}

// replace serves with g from now on.
func (c *current) replace(g *generation) {
	c.mu.Lock()
	before := c.now
	c.now = g
	c.mu.Unlock()
	if before != nil {
		c.old.Go(before.close)
	}
}

// generation is the one that serves, or nil.
func (c *current) generation() *generation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// close waits for all requests and lets go of everything.
func (c *current) close() {
	c.old.Wait()
	if g := c.generation(); g != nil {
		g.close()
	}
}
