// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/bucket"
)

const (
	defaultInterval = time.Second
	// leases is how many intervals a record lives.
	leases = 5
	// pace is the least time between two looks into the directory.
	pace = 20 * time.Millisecond
)

// Options of a [Member]. Directory, Key and Listener are required.
type Options struct {
	Directory Directory
	// Key is the secret that all replicas share, of at least [MinKey] bytes.
	Key []byte
	// Listener takes the connections of the other replicas. The member closes
	// it.
	Listener net.Listener
	// Address is HOST:PORT where the others reach Listener. Default is the
	// address that it listens on, unless that is all addresses of the machine.
	Address string
	// Interval is how often the record is renewed, and the others' are read.
	// A replica that has not renewed its own for five of them is gone. Default
	// one second.
	Interval time.Duration
	// Sessions returns how many sessions there are: newcomers go to the
	// replica with fewer. It must not block. Nil means that all have the same.
	Sessions func() int
	// Logger hears of replicas that come and go, and of failures. Nil: nobody
	// does.
	Logger *slog.Logger
}

// Member is one of the replicas: this process. It is safe for concurrent use.
// The order of its life is [New], [Member.Start], [Member.Retire] and
// [Member.Drain] if there is time, and [Member.Close].
type Member struct {
	o         Options
	name      string
	keys      *keys
	client    *http.Transport
	proxy     *httputil.ReverseProxy
	server    *http.Server
	forwarded [outcomes]atomic.Int64
	received  atomic.Int64
	failures  atomic.Int64 // of the directory
	calls     calls

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wake chan struct{} // for what cannot wait for the next interval

	running, serving sync.WaitGroup

	rates    bucket.Buckets // while the directory is away
	counting sync.Mutex     // held while something is shared

	mu       sync.Mutex
	started  bool // guarded by mu, as is all that follows
	state    State
	count    int64 // of the last record
	peers    map[string]*peer
	strange  map[string]bool // records that were complained about
	away     error           // why the directory did not answer the last time
	waiting  *look           // for the next look into the directory
	put      bool            // the record has to be written before the next interval
	counts   map[string]int  // what is shared, by key
	unshared map[string]bool // keys whose count the directory does not know
	shared   time.Time       // when all counts were told last
}

// look is one look into the directory.
type look struct{ done chan struct{} }

// New makes a member with a fresh name. Nothing is written or served before
// [Member.Start].
func New(o Options) (*Member, error) {
	switch {
	case o.Directory == nil:
		return nil, errors.New("replica: no directory")
	case o.Listener == nil:
		return nil, errors.New("replica: no listener")
	case o.Interval < 0:
		return nil, errors.New("replica: the interval is negative")
	}
	o.Interval = cmp.Or(o.Interval, defaultInterval)
	o.Address = cmp.Or(o.Address, o.Listener.Addr().String())
	if host, port, err := net.SplitHostPort(o.Address); err != nil || port == "" || port == "0" {
		return nil, fmt.Errorf("replica: the address %q is not like HOST:PORT", o.Address)
	} else if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return nil, fmt.Errorf("replica: no other replica can reach the address %q", o.Address)
	}
	if o.Sessions == nil {
		o.Sessions = func() int { return 0 }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	name := newName()
	keys, err := newKeys(o.Key, name)
	if err != nil {
		return nil, err
	}
	m := &Member{
		o: o, name: name, keys: keys, state: StateServing, wake: make(chan struct{}, 1),
		peers: make(map[string]*peer), strange: make(map[string]bool),
		counts: make(map[string]int), unshared: make(map[string]bool),
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.forwarding()
	return m, nil
}

// Name is the name of this replica: 16 lower case letters and digits.
func (m *Member) Name() string { return m.name }

// Start makes the replica known, and serves what the others pass on: h is the
// same handler that clients reach. ctx bounds the start alone. The error is
// that of the directory.
func (m *Member) Start(ctx context.Context, h http.Handler) error {
	if err := m.renew(ctx); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	if err := m.read(ctx); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	m.mu.Lock()
	m.started = true
	m.mu.Unlock()
	m.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.receive(w, r, h) }),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * idleTime,
		MaxHeaderBytes:    128 << 10, // more than clients may send
		ErrorLog:          slog.NewLogLogger(m.o.Logger.Handler(), slog.LevelDebug),
	}
	listener := tls.NewListener(m.o.Listener, m.keys.server())
	m.serving.Go(func() {
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.o.Logger.LogAttrs(m.ctx, slog.LevelError, "other replicas cannot reach this one", slog.String("error", err.Error()))
		}
	})
	m.running.Go(m.run)
	m.o.Logger.LogAttrs(ctx, slog.LevelInfo, "replica", slog.String("replica", m.name), slog.String("address", m.o.Address))
	return nil
}

// Retire tells the others to send no newcomers here. It returns when the
// directory knows, or ctx ends; at once while the directory is away, which hears
// of it when it is back.
func (m *Member) Retire(ctx context.Context) {
	m.mu.Lock()
	if m.state == StateDraining || !m.started {
		m.mu.Unlock()
		return
	}
	m.state = StateDraining
	m.mu.Unlock()
	m.look(ctx, true)
}

// Drain waits until the calls that were passed on to other replicas are
// answered, or ctx ends.
func (m *Member) Drain(ctx context.Context) { m.calls.wait(ctx) }

// Close tells the others that the replica has ended, waits for the requests that
// they have passed on until ctx ends, and lets go of all connections. The error
// is that of the directory.
func (m *Member) Close(ctx context.Context) error {
	m.mu.Lock()
	started := m.started
	m.mu.Unlock()
	m.stop()
	if !started {
		return m.o.Listener.Close()
	}
	m.running.Wait()
	m.mu.Lock()
	m.state = stateEnded
	m.mu.Unlock()
	leave, cancel := context.WithTimeout(context.Background(), m.o.Interval)
	defer cancel()
	err := errors.Join(m.renew(leave), m.shareRest(leave))
	if m.server.Shutdown(ctx) != nil {
		_ = m.server.Close()
	}
	m.serving.Wait()
	m.client.CloseIdleConnections()
	return err
}

// run renews the record and reads the others' until the member is closed.
func (m *Member) run() {
	tick := time.NewTicker(m.o.Interval)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
			m.mu.Lock()
			m.put = true
			m.mu.Unlock()
		case <-m.wake:
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(pace - time.Since(last)):
			}
		}
		m.turn()
		last = time.Now()
	}
}

// turn does what is to be done with the directory.
func (m *Member) turn() {
	m.mu.Lock()
	put, waiting := m.put, m.waiting
	m.put, m.waiting = false, nil
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(m.ctx, m.o.Interval)
	defer cancel()
	err := m.read(ctx)
	if err == nil && put {
		err = m.renew(ctx)
	}
	if err == nil {
		err = m.shareRest(ctx)
	}
	if m.ctx.Err() == nil {
		m.directory(err)
	}
	if waiting != nil {
		close(waiting.done)
	}
}

// directory notes whether the directory answers.
func (m *Member) directory(err error) {
	if err != nil {
		m.failures.Add(1)
	}
	m.mu.Lock()
	was := m.away
	m.away = err
	m.mu.Unlock()
	switch {
	case err != nil && was == nil:
		m.o.Logger.LogAttrs(m.ctx, slog.LevelError, "the directory does not answer; the last known replicas count", slog.String("error", err.Error()))
	case err == nil && was != nil:
		m.o.Logger.LogAttrs(m.ctx, slog.LevelInfo, "the directory answers again")
	}
}

// renew writes the record.
func (m *Member) renew(ctx context.Context) error {
	sessions := m.o.Sessions()
	m.mu.Lock()
	m.count = max(m.count+1, time.Now().UnixNano())
	r := record{Protocol: protocol, Name: m.name, Address: m.o.Address, State: m.state, Sessions: sessions, Count: m.count}
	m.mu.Unlock()
	return m.o.Directory.Put(ctx, m.name, r.encode(m.keys), leases*m.o.Interval)
}

// read reads what the others tell.
func (m *Member) read(ctx context.Context) error {
	records, err := m.o.Directory.List(ctx)
	if err != nil {
		return err
	}
	m.update(records)
	return nil
}

// look waits for a look into the directory that begins from now on, or for
// ctx; put has the record written as well. While the directory is away nothing
// is waited for.
func (m *Member) look(ctx context.Context, put bool) {
	m.mu.Lock()
	if m.away != nil || !m.started {
		m.put = m.put || put
		m.mu.Unlock()
		return
	}
	if m.waiting == nil {
		m.waiting = &look{make(chan struct{})}
	}
	m.put = m.put || put
	waiting := m.waiting
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	select {
	case <-waiting.done:
	case <-ctx.Done():
	case <-m.ctx.Done():
	}
}
