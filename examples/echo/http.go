// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	endpoint = "/mcp"

	maxBodyBytes = 1 << 20
	maxPosts     = 256 // at the same time

	// modernVersion is the first without sessions.
	modernVersion = "2026-07-28"
)

// handler serves the endpoint, and /healthz for whoever watches the process.
func (s *server) handler(log *slog.Logger) http.Handler {
	serves := func(*http.Request) *mcp.Server { return s.mcp }
	stateless := mcp.NewStreamableHTTPHandler(serves, &mcp.StreamableHTTPOptions{
		Stateless:                    true,
		PropagateRequestCancellation: true, // who hangs up has cancelled
		MaxRequestBodyBytes:          maxBodyBytes,
		DisableLocalhostProtection:   true, // guard does it, and knows -allow-host
	})
	var h http.Handler = stateless
	if s.o.stateful {
		// The SDK serves sessions, or 2026-07-28, but not both.
		sessions := s.limitSessions(mcp.NewStreamableHTTPHandler(serves, &mcp.StreamableHTTPOptions{
			SessionTimeout:             s.o.sessionTimeout,
			MaxRequestBodyBytes:        maxBodyBytes,
			DisableLocalhostProtection: true,
		}))
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mcp-Protocol-Version") >= modernVersion {
				stateless.ServeHTTP(w, r)
			} else {
				sessions.ServeHTTP(w, r)
			}
		})
	}
	h = s.guard(limitPosts(note(h)))
	mux := http.NewServeMux()
	mux.Handle(endpoint, h)
	mux.Handle(endpoint+"/{$}", h)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		mux.ServeHTTP(w, r)
		log.Debug("request", "method", r.Method, "path", r.URL.Path, "took", time.Since(start))
	})
}

// Fields that no request can bring along, since a colon is not allowed there.
const (
	receivedField = ":received"
	hostField     = ":host"
)

// note puts what tools show besides the header into the header, since the SDK
// hands them nothing else of a request.
func note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header[receivedField] = []string{strconv.FormatInt(time.Now().UnixNano(), 10)}
		r.Header[hostField] = []string{r.Host}
		w.Header().Set("X-Accel-Buffering", "no") // a proxy must not collect events
		next.ServeHTTP(w, r)
	})
}

// guard keeps web pages of strangers from using a browser on this machine, or
// beside it, to call the server (MCP, Streamable HTTP, security warning), and
// lets those of -allow-origin read the answers.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := hostOf(r.Host)
		if onLoopback(r) && !isLoopback(name) && !slices.Contains(s.o.hosts, name) {
			http.Error(w, "this Host is not allowed here; -allow-host allows it", http.StatusForbidden)
			return
		}
		origin := strings.ToLower(r.Header.Get("Origin"))
		trusted := origin != "" && slices.Contains(s.o.origins, origin)
		if origin != "" && !trusted && !sameHost(origin, r.Host) {
			http.Error(w, "this Origin is not allowed here; -allow-origin allows it", http.StatusForbidden)
			return
		}
		if trusted {
			h := w.Header()
			h.Add("Vary", "Origin")
			h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id")
			h.Set("Access-Control-Expose-Headers", "Mcp-Session-Id")
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = host
	}
	return strings.ToLower(strings.Trim(hostport, "[]"))
}

func isLoopback(name string) bool {
	return name == "localhost" || net.ParseIP(name).IsLoopback()
}

func onLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && isLoopback(hostOf(addr.String()))
}

// limitPosts bounds what is worked on at the same time.
func limitPosts(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxPosts)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			tryLater(w, "too many requests at the same time")
		}
	})
}

// limitSessions refuses new sessions when there are enough.
func (s *server) limitSessions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("Mcp-Session-Id") == "" && s.count() >= s.o.maxSessions {
			tryLater(w, "too many sessions")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func tryLater(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}
