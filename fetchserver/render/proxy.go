// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// maxConnections bounds the open connections of one page.
const maxConnections = 64

// silent: what a page makes a server say in the middle of an answer is of no
// interest.
var silent = log.New(io.Discard, "", 0)

// proxy is what stands between the browser and the network: a forward proxy on
// a loopback address. A page uses it with a password that nobody else knows;
// without one nothing is forwarded, neither for other processes nor for the
// browser's own services.
type proxy struct {
	client   *fetch.Client
	server   *http.Server
	listener net.Listener
	done     chan struct{} // closed when the server has ended

	mu     sync.Mutex
	routes map[string]*route // by password
}

func newProxy(client *fetch.Client) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{client: client, listener: listener, done: make(chan struct{}), routes: make(map[string]*route)}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 256 << 10, ErrorLog: silent}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(listener) // ends by close
	}()
	return p, nil
}

func (p *proxy) close() {
	p.server.Close()
	<-p.done
}

// route is the way of one page through the proxy.
type route struct {
	client    *fetch.Client
	password  string
	ctx       context.Context // that of the call that renders the page
	cancel    context.CancelFunc
	transport *http.Transport // for plain http
	used      func()          // called once when too much was received

	mu       sync.Mutex
	closed   bool
	left     int64 // bytes that may be received
	conns    map[net.Conn]struct{}
	refused  map[string]error // by host:port
	work     sync.WaitGroup   // what is being forwarded
	received int64
}

// open makes a route for a page that may receive so many bytes; tooMuch is
// called when it has, from any goroutine.
func (p *proxy) open(ctx context.Context, bytes int64, tooMuch func()) *route {
	ctx, cancel := context.WithCancel(ctx)
	r := &route{
		client: p.client, password: rand.Text(), ctx: ctx, cancel: cancel, left: bytes, used: tooMuch,
		conns: make(map[net.Conn]struct{}), refused: make(map[string]error),
	}
	r.transport = &http.Transport{
		DialContext:            func(_ context.Context, network, address string) (net.Conn, error) { return r.dial(network, address) },
		DisableCompression:     true,
		MaxResponseHeaderBytes: 256 << 10,
		IdleConnTimeout:        10 * time.Second,
	}
	p.mu.Lock()
	p.routes[r.password] = r
	p.mu.Unlock()
	return r
}

// shut ends a route and all of its connections.
func (p *proxy) shut(r *route) {
	p.mu.Lock()
	delete(p.routes, r.password)
	p.mu.Unlock()
	r.cancel()
	r.mu.Lock()
	r.closed = true
	open := slices.Collect(maps.Keys(r.conns))
	r.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	r.work.Wait()
	r.transport.CloseIdleConnections()
}

// proxyUser is the name that goes with the passwords.
const proxyUser = "page"

// route returns the route whose password a request has.
func (p *proxy) route(r *http.Request) *route {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	user, password, _ := strings.Cut(string(plain), ":")
	if user != proxyUser {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.routes[password] // passwords are random and long, so that a look-up tells nothing
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route := p.route(r)
	if route == nil {
		w.Header().Set("Proxy-Authenticate", `Basic realm="pages"`)
		http.Error(w, "this proxy belongs to a browser", http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		route.tunnel(w, r)
		return
	}
	route.forward(w, r)
}

// dial connects under the rules of the client.
func (r *route) dial(network, address string) (net.Conn, error) {
	r.mu.Lock()
	over := r.closed || r.left <= 0 || len(r.conns) >= maxConnections
	r.mu.Unlock()
	if over {
		return nil, errors.New("render: the page has used up what it may receive")
	}
	c, err := r.client.DialContext(r.ctx, network, address)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.refused[address] = err
		return nil, err
	}
	if r.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	counted := &countedConn{Conn: c, route: r}
	r.conns[counted] = struct{}{}
	return counted, nil
}

// refusal returns why a host could not be connected to, or nil.
func (r *route) refusal(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused[address]
}

// countedConn counts what a page receives.
type countedConn struct {
	net.Conn
	route *route
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	r := c.route
	r.mu.Lock()
	before := r.left
	r.left -= int64(n)
	r.received += int64(n)
	over := before > 0 && r.left <= 0
	r.mu.Unlock()
	if over {
		r.used()
	}
	if before <= int64(n) && n > 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *countedConn) Close() error {
	c.route.mu.Lock()
	delete(c.route.conns, c)
	c.route.mu.Unlock()
	return c.Conn.Close()
}

// tunnel answers CONNECT (RFC 9110 section 9.3.6).
func (r *route) tunnel(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.work.Add(1)
	r.mu.Unlock()
	defer r.work.Done()
	upstream, err := r.dial("tcp", req.Host)
	if err != nil {
		http.Error(w, "refused", http.StatusForbidden)
		return
	}
	defer upstream.Close()
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer down.Close()
	defer context.AfterFunc(r.ctx, func() { down.Close() })()
	if _, err := io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(upstream, buffered) // ends with one of the two connections
		upstream.Close()
	})
	_, _ = io.Copy(down, upstream) // likewise
	down.Close()
	up.Wait()
}

// forward sends on a request for a plain http URL.
func (r *route) forward(w http.ResponseWriter, req *http.Request) {
	if req.URL.Scheme != "http" || r.client.CheckURL(req.URL.String()) != nil {
		panic(http.ErrAbortHandler) // a page must not be able to read an answer
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.work.Add(1)
	r.mu.Unlock()
	defer r.work.Done()
	(&httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {}, // adds nothing
		Transport:     r.transport,
		FlushInterval: -1,
		ErrorLog:      silent,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // likewise
		},
	}).ServeHTTP(w, req)
}
