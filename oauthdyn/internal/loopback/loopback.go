// SPDX-License-Identifier: Apache-2.0

// Package loopback receives the one redirect that ends an authorization
// request of a native program: RFC 8252 section 7.3.
package loopback

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	maxHeaderBytes = 32 << 10 // room for a code and a state of 4 KiB each
	readTimeout    = 10 * time.Second
	flushTimeout   = time.Second
)

// page is all that a browser ever gets to see. It repeats nothing of the
// request.
const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>%[1]s</title>
<body><h1>%[1]s</h1><p>%[2]s</p></body></html>
`

// Listener waits on 127.0.0.1 for one request to a path that only the parties
// of one authorization request know.
type Listener struct {
	ln   net.Listener
	srv  *http.Server
	port string
	path string
	once sync.Once

	mu   sync.Mutex
	name string // mu guards: the only acceptable host name

	accepted chan url.Values
	served   chan struct{}
}

// Listen opens port on 127.0.0.1, where 0 lets the operating system choose,
// and answers requests for path, which starts with a slash. Close it.
func Listen(port int, path string) (*Listener, error) {
	ln, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("callback listener: %w", err)
	}
	l := &Listener{
		ln:       ln,
		port:     strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), // what a TCP listener has
		path:     path,
		name:     "127.0.0.1",
		accepted: make(chan url.Values, 1),
		served:   make(chan struct{}),
	}
	l.srv = &http.Server{
		Handler:        http.HandlerFunc(l.serve),
		ReadTimeout:    readTimeout,
		WriteTimeout:   readTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       log.New(io.Discard, "", 0), // its lines could quote a code
	}
	go func() {
		defer close(l.served)
		_ = l.srv.Serve(ln) // always ErrServerClosed or the listener's end
	}()
	return l, nil
}

// UseLocalhost makes the redirect URI one on the host name localhost, for
// authorization servers that want it so. Call it before the URI is passed on.
func (l *Listener) UseLocalhost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.name = "localhost"
}

// host is the only acceptable Host header.
func (l *Listener) host() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name + ":" + l.port
}

// URL returns the redirect URI.
func (l *Listener) URL() string { return "http://" + l.host() + l.path }

// Answer delivers the query of the first request to the path.
func (l *Listener) Answer() <-chan url.Values { return l.accepted }

// Close gives a reply that is under way a second to leave, then ends the
// listener and waits for it.
func (l *Listener) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if l.srv.Shutdown(ctx) != nil {
		_ = l.srv.Close() // nothing more can be done about it
	}
	<-l.served
}

func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")

	switch mode := r.Header.Get("Sec-Fetch-Mode"); {
	case r.Host != l.host(): // a name that was rebound to this address
		reply(w, http.StatusMisdirectedRequest, "Wrong host", "This address takes no other requests.")
		return
	case r.URL.Path != l.path:
		reply(w, http.StatusNotFound, "Not found", "Nothing is here.")
		return
	case r.Method != http.MethodGet:
		h.Set("Allow", http.MethodGet)
		reply(w, http.StatusMethodNotAllowed, "Wrong method", "This address takes GET only.")
		return
	case mode != "" && mode != "navigate": // a script or an image, not a redirect
		reply(w, http.StatusForbidden, "Refused", "This address is for redirects only.")
		return
	}
	first := false
	l.once.Do(func() {
		first = true
		l.accepted <- r.URL.Query()
	})
	if !first {
		reply(w, http.StatusGone, "Already used", "This sign-in has been answered before.")
		return
	}
	reply(w, http.StatusOK, "Answer received", "You can close this window and go back to the program.")
}

func reply(w http.ResponseWriter, status int, title, text string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, page, title, text) // a browser that left needs no page
}
