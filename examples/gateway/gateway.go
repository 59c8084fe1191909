// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

const (
	userName  = "demo"
	scope     = "mcp"
	fetchName = "fetch"

	// requestGrace is how long requests in flight may take at the end.
	requestGrace = 300 * time.Millisecond
)

// gateway is everything behind one origin: the authorization server at the
// root, and one protected MCP server below each name.
type gateway struct {
	origin   string // such as http://127.0.0.1:8420; also the issuer
	data     string
	password string // of the local user, when it was made or renewed just now
	mounts   []*mount
	pageURL  string // a page on a port of its own, for the fetch server

	revocations resource.Revocations // from the authorization server to all mounts

	users   *local.Users
	proxies []*shproxy.Proxy
	fetch   *fetchserver.Server
	failed  chan error // what ended one of the HTTP servers
	closers []func(context.Context) error
}

// mount is one protected MCP server.
type mount struct {
	name    string
	url     string // the endpoint, which is also its resource indicator
	wrapped bool   // a stdio server behind the bridge
}

// start brings everything up. When it fails, it leaves nothing behind.
func start(ctx context.Context, o *options) (_ *gateway, err error) {
	g := &gateway{data: o.data, failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close(ctx))
		}
	}()
	if o.temporary {
		g.onClose(func(context.Context) error { return os.RemoveAll(o.data) })
	}
	for _, s := range o.servers {
		if err := s.check(); err != nil {
			return nil, err
		}
	}
	listener, err := listen(o.addr)
	if err != nil {
		return nil, err
	}
	g.onClose(func(context.Context) error { return ignoreClosed(listener.Close()) })
	g.origin = "http://" + listener.Addr().String()

	mux := http.NewServeMux()
	page, err := g.servePage()
	if err != nil {
		return nil, err
	}
	if err := g.mountServers(mux, o, page); err != nil {
		return nil, err
	}
	if err := g.mountAuthServer(ctx, mux, o); err != nil {
		return nil, err
	}
	g.serve(listener, mux)
	g.onClose(g.stopProxies) // first, so that calls in flight get an answer
	return g, nil
}

// listen opens the one address that everything is served on.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--addr %q: want HOST:PORT, such as 127.0.0.1:8420", addr)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("--addr %q: want a loopback address: without TLS, tokens must not leave the machine", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another with --addr, or let the system choose with --addr %s:0", err, host)
	}
	return l, nil
}

// mountServers puts each stdio server and the fetch server behind a bearer
// token that was issued for it and for nothing else.
func (g *gateway) mountServers(mux *http.ServeMux, o *options, page netip.AddrPort) error {
	for _, s := range o.servers {
		proxy, err := shproxy.New(
			shproxy.Server{Name: s.name, Command: s.command, Args: s.args, Env: append(os.Environ(), s.env...), Dir: s.dir},
			&shproxy.Options{Identify: subject, Logger: o.logger},
		)
		if err != nil {
			return fmt.Errorf("server %q: %w", s.name, err)
		}
		g.proxies = append(g.proxies, proxy)
		m, protect, err := g.mount(mux, o, s.name)
		if err != nil {
			return err
		}
		m.wrapped = true
		mux.Handle("/"+s.name+"/mcp", protect(proxy))
	}
	_, protect, err := g.mount(mux, o, fetchName)
	if err != nil {
		return err
	}
	fetch, err := fetchserver.New(&fetchserver.Options{
		// The one exception to "no private addresses": the page that this
		// program serves for the transcript.
		AllowAddresses: []netip.AddrPort{page},
		Middleware:     protect,
		Logger:         o.logger.With("server", fetchName),
	})
	if err != nil {
		return err
	}
	g.fetch = fetch
	g.onClose(func(context.Context) error { fetch.Close(); return nil })
	mux.Handle("/"+fetchName+"/mcp", fetch.Handler())
	return nil
}

// mount makes /NAME/mcp a protected resource: it serves the metadata that tells
// clients where to get a token, and returns the middleware that asks for one.
func (g *gateway) mount(mux *http.ServeMux, o *options, name string) (*mount, func(http.Handler) http.Handler, error) {
	url := g.origin + "/" + name + "/mcp"
	protected, err := resource.New(resource.Options{
		Resource:             url,
		Name:                 name,
		AuthorizationServers: []string{g.origin},
		Scopes:               []string{scope},
		RequiredScopes:       []string{scope},
		Revocations:          &g.revocations,
		Logger:               o.logger,
	})
	if err != nil {
		return nil, nil, err
	}
	mux.Handle(protected.MetadataPath(), protected.MetadataHandler())
	m := &mount{name: name, url: url}
	g.mounts = append(g.mounts, m)
	return m, protected.Middleware, nil
}

// subject binds the bridge's sessions to the person whose token opened them.
func subject(r *http.Request) string {
	p, ok := resource.FromContext(r.Context())
	if !ok {
		return ""
	}
	return p.Issuer + " " + p.Subject
}

// mountAuthServer serves the authorization server at the root, on the embedded
// store.
func (g *gateway) mountAuthServer(ctx context.Context, mux *http.ServeMux, o *options) error {
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w; name another with --data", err)
	}
	store, err := bolt.Open(filepath.Join(o.data, "gateway.db"), nil)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	g.onClose(func(context.Context) error { return store.Close() })
	if err := g.openUsers(o); err != nil {
		return err
	}
	options := authserver.Options{
		Issuer:    g.origin,
		Store:     store,
		Login:     g.users,
		ScopeText: map[string]string{scope: "Use all tools of this server"},
		// A client that signs out is out at once, at all servers.
		Revocations: &g.revocations,
		Logger:      o.logger,
	}
	for _, m := range g.mounts {
		options.Resources = append(options.Resources, authserver.Resource{URI: m.url, Name: m.name, Scopes: []string{scope}})
	}
	server, err := authserver.New(ctx, options)
	if err != nil {
		return err
	}
	g.onClose(func(context.Context) error { server.Close(); return nil })
	mux.Handle("/", server)
	g.mountStatus(mux, server)
	return nil
}

// openUsers makes sure that there is somebody who can sign in.
func (g *gateway) openUsers(o *options) (err error) {
	if g.users, err = local.Open(filepath.Join(o.data, "users")); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	names, err := g.users.Names()
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if slices.Contains(names, userName) && !o.resetPassword {
		return nil
	}
	g.password = rand.Text()
	if err := g.users.Set(userName, g.password); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// serve answers on l until close. The end of a server that nobody asked for
// is sent to g.failed.
func (g *gateway) serve(l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.failed <- err
		}
	})
	g.onClose(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestGrace)
		defer cancel()
		err := server.Shutdown(ctx)
		if err != nil {
			err = server.Close() // streams that clients keep open
		}
		serving.Wait()
		return err
	})
}

// stopProxies ends all children, at the same time.
func (g *gateway) stopProxies(ctx context.Context) error {
	errs := make([]error, len(g.proxies))
	var stopping sync.WaitGroup
	for i, proxy := range g.proxies {
		stopping.Go(func() { errs[i] = proxy.Shutdown(ctx) })
	}
	stopping.Wait()
	return errors.Join(errs...)
}

func (g *gateway) onClose(f func(context.Context) error) { g.closers = append(g.closers, f) }

// close ends everything in the opposite order of its start and waits for it.
func (g *gateway) close(ctx context.Context) error {
	var errs []error
	for _, f := range slices.Backward(g.closers) {
		errs = append(errs, f(ctx))
	}
	g.closers = nil
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
