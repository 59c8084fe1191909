// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/guard"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// adminServer is one of the wrapped servers, as operators know it.
type adminServer struct {
	Name  string // unique
	Path  string // of its endpoint
	Proxy *shproxy.Proxy
	Err   error // why it has no proxy
}

// status is what is known of the server. One that could not be made has failed.
func (s adminServer) status() shproxy.Status {
	if s.Err != nil {
		return shproxy.Status{
			Name: s.Name, State: shproxy.StateFailed, StartError: oneLine(s.Err.Error()),
			Versions: []string{}, Methods: []shproxy.MethodStatus{}, Stderr: []string{},
		}
	}
	status := s.Proxy.Status()
	status.Name = s.Name
	return status
}

// ready is nil if the server can serve.
func (s adminServer) ready(ctx context.Context) error {
	if s.Err != nil {
		return s.Err
	}
	return s.Proxy.Ready(ctx)
}

// readyTime is how long the servers may take together to show that they are
// ready.
const readyTime = 10 * time.Second

// admin answers operators and monitors. It shows no message, session id or
// identity, but what servers write to stderr, so that it has an address of its
// own.
type admin struct {
	servers func() []adminServer  // at the moment: some come and go when the configuration is read again
	replica func() replica.Status // nil: there are no replicas
	since   time.Time
	meter   *service.HTTPMeter // nil: none
	peers   *service.Peers     // nil: none
	certs   *certs.Source      // nil: no TLS
}

// handler serves the admin address.
func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/status", http.StatusFound))
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("GET /status", a.status)
	mux.Handle("GET /metrics", service.MetricsHandler("shproxy", version(), a.metrics))
	return onLoopback(mux)
}

// onLoopback refuses requests of foreign web pages to a loopback address. Other
// addresses are meant to be reached, under names that only the operator knows.
func onLoopback(next http.Handler) http.Handler {
	local := new(guard.Guard)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		if addr != nil && addr.IP.IsLoopback() {
			if err := local.Check(r); err != nil {
				http.Error(w, err.Error()+"; this address answers to localhost and 127.0.0.1", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// health tells that the process is up, whatever its servers do.
func (a *admin) health(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Status string `json:"status"`
	}{"ok"}
	servers := a.servers()
	stopping := 0
	for _, s := range servers {
		if s.status().State == shproxy.StateStopping {
			stopping++
		}
	}
	if stopping > 0 && stopping == len(servers) {
		answer.Status = "stopping"
		respond(w, http.StatusServiceUnavailable, answer)
		return
	}
	respond(w, http.StatusOK, answer)
}

// readiness is the answer of /readyz.
type readiness struct {
	Status  string            `json:"status"` // "ok", or "failed" if one of the servers did
	Servers []serverReadiness `json:"servers"`
}

type serverReadiness struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"`
}

// ready asks every server whether it can serve.
func (a *admin) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	servers := a.servers()
	answer := readiness{Status: "ok", Servers: make([]serverReadiness, len(servers))}
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() {
			answer.Servers[i] = serverReadiness{Name: s.Name, Ready: true}
			if err := s.ready(ctx); err != nil {
				answer.Servers[i] = serverReadiness{Name: s.Name, Error: oneLine(err.Error())}
			}
		})
	}
	all.Wait()
	status := http.StatusOK
	for _, s := range answer.Servers {
		if !s.Ready {
			answer.Status, status = "failed", http.StatusServiceUnavailable
		}
	}
	respond(w, status, answer)
}

// report is the answer of /status.
type report struct {
	Program string               `json:"program"`
	Version string               `json:"version"`
	Uptime  float64              `json:"uptime_seconds"`
	Replica *replica.Status      `json:"replica,omitempty"`
	Servers []serverStatus       `json:"servers"`
	Peers   []service.PeerStatus `json:"peers,omitempty"`
}

type serverStatus struct {
	Path string `json:"path"`
	shproxy.Status
}

// status answers programs with JSON and people with a page.
func (a *admin) status(w http.ResponseWriter, r *http.Request) {
	answer := report{
		Program: "shproxy", Version: version(), Uptime: time.Since(a.since).Round(time.Second).Seconds(),
		Servers: a.statuses(), Peers: a.peers.Ask(r),
	}
	if a.replica != nil {
		status := a.replica()
		answer.Replica = &status
	}
	w.Header().Set("Vary", "Accept")
	if service.PrefersHTML(r.Header.Values("Accept")) {
		statusPage(w, answer, r.URL.Query().Has("refresh"))
		return
	}
	respond(w, http.StatusOK, answer)
}

// statuses asks every server for its status.
func (a *admin) statuses() []serverStatus {
	all := []serverStatus{}
	for _, s := range a.servers() {
		all = append(all, serverStatus{s.Path, s.status()})
	}
	return all
}

// respond writes a JSON answer that is not to be kept.
func respond(w http.ResponseWriter, status int, answer any) {
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		http.Error(w, "the answer cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever asked may be gone
}
