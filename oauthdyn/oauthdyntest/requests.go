// SPDX-License-Identifier: Apache-2.0

package oauthdyntest

import (
	"net/http"
	"sync"
)

// requests counts those that reach the authorization server. The zero value is
// ready.
type requests struct {
	mu sync.Mutex
	to map[string]int // mu guards it; by path
}

func (c *requests) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		if c.to == nil {
			c.to = map[string]int{}
		}
		c.to[r.URL.Path]++
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// Requests is how many requests for a path, such as "/token" or "/register",
// have reached the authorization server so far.
func (s *Server) Requests(path string) int {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return s.requests.to[path]
}
