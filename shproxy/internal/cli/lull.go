// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	lullTime  = time.Second            // to wait for idle connections to be used up
	queueTime = 100 * time.Millisecond // for connections that are being made to be accepted
)

// A lull finds a moment to close a server in which no request is on its way to
// it. A load balancer does not repeat a POST that it has sent on a connection
// which is then closed, be it one that was idle or one that nobody has accepted;
// it does go on to another replica if it cannot connect.
type lull struct {
	mu     sync.Mutex
	idle   map[net.Conn]bool // guarded by mu
	change chan struct{}     // guarded by mu; closed when there is no idle one any more; nil: nobody waits
}

// watch makes the server tell of its connections.
func (l *lull) watch(server *http.Server) {
	l.idle = make(map[net.Conn]bool)
	server.ConnState = l.note
}

func (l *lull) note(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateIdle {
		l.idle[c] = true
		return
	}
	delete(l.idle, c)
	if len(l.idle) == 0 && l.change != nil {
		close(l.change)
		l.change = nil
	}
}

// close closes the listener, and returns when the server can be closed. Meanwhile
// answers have to end their connections. An answer that began before that leaves
// an idle one, so it looks for those in the end too.
func (l *lull) close(ctx context.Context, listener net.Listener) {
	ctx, cancel := context.WithTimeout(ctx, lullTime)
	defer cancel()
	l.wait(ctx)
	if refuseNew(listener) == nil {
		accepted := time.NewTimer(queueTime)
		defer accepted.Stop()
		<-accepted.C
	}
	_ = listener.Close()
	l.wait(ctx)
}

// wait returns when no connection is idle, or ctx ends.
func (l *lull) wait(ctx context.Context) {
	l.mu.Lock()
	var change chan struct{}
	if len(l.idle) > 0 {
		change = make(chan struct{})
		l.change = change
	}
	l.mu.Unlock()
	if change != nil {
		select {
		case <-change:
		case <-ctx.Done():
		}
	}
}
