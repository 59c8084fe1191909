// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// A call may take any time, so that silence alone says nothing. Whether the
// other end is still there is asked below HTTP: by keep-alive probes, and with
// HTTP/2 by pings.
const (
	dialTimeout = 15 * time.Second

	// pingAfter is how long a connection may be silent until it is asked, and
	// pingTimeout how long the answer may take.
	pingAfter   = 15 * time.Second
	pingTimeout = 15 * time.Second

	// keepAliveProbes is how many probes in a row may stay without an answer.
	keepAliveProbes = 3

	// unackedTimeout is how long bytes that were sent may stay without an
	// acknowledgement, where the system can be told (Linux). During that time
	// there are no probes.
	unackedTimeout = time.Minute

	// sleepThreshold is how much longer than the monotonic clock the wall clock
	// may run between two requests. It is set now and then; beyond this the
	// machine has slept.
	sleepThreshold = 10 * time.Second
)

// transport is that of clients for which none was given.
func (o *Options) transport() (http.RoundTripper, error) {
	switch o.Network {
	case "", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("shclient: network %q: want tcp4 or tcp6", o.Network)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	dialer := &net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingAfter, Interval: pingTimeout, Count: keepAliveProbes},
		Control:         boundUnacked,
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if o.Network != "" {
			network = o.Network
		}
		return dialer.DialContext(ctx, network, address)
	}
	t.MaxIdleConnsPerHost = 64
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	if o.TLSConfig != nil {
		t.TLSClientConfig = o.TLSConfig.Clone()
	}
	return &wakeTransport{Transport: t, last: newInstant(time.Now())}, nil
}

// wakeTransport gives up idle connections when the machine has slept: they look
// alive, and the first request would wait for an answer that never comes.
type wakeTransport struct {
	*http.Transport

	mu   sync.Mutex
	last instant // mu guards it; of the last request
}

func (t *wakeTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.slept(newInstant(time.Now())) {
		t.CloseIdleConnections()
	}
	return t.Transport.RoundTrip(req)
}

// slept reports whether the machine has slept since it was asked before.
func (t *wakeTransport) slept(now instant) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last
	t.last = now
	return now.wall.Sub(last.wall)-(now.up-last.up) > sleepThreshold
}

// instant is a time by both clocks. The monotonic one stands still while a
// machine sleeps, on most systems.
type instant struct {
	wall time.Time     // without a monotonic reading
	up   time.Duration // since the program started
}

var started = time.Now()

func newInstant(now time.Time) instant { return instant{now.Round(0), now.Sub(started)} }
