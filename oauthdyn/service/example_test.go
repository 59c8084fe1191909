// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// Each request has an id, which every line about it bears, and a label.
func ExampleAccessLog() {
	var text strings.Builder
	log, done, err := service.NewLogger(&text, service.LoggerOptions{Level: "info", Format: "text"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer done()
	h := service.AccessLog(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		service.SetLabel(r.Context(), "tools/call") // for the line at level debug
		log.InfoContext(r.Context(), "hello")
	}), log, "method")

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "mine-1")
	h.ServeHTTP(httptest.NewRecorder(), r)
	_, line, _ := strings.Cut(text.String(), " ") // without the time
	fmt.Print(line)
	// Output: level=INFO msg=hello request_id=mine-1
}

// A server comes to its end: it is alive, and not ready any more.
func ExampleProbes() {
	stopping := new(atomic.Bool)
	probes := &service.Probes{Stopping: stopping, Check: func(context.Context) error { return nil }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", probes.Health)
	mux.HandleFunc("GET /ready", probes.Ready)

	stopping.Store(true)
	for _, path := range []string{"/health", "/ready"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /health 200
	// /ready 503
}

// Metrics at a loopback address are not for web pages, whatever name leads there.
func ExampleOnLoopback() {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "up 1") })
	ts := httptest.NewServer(service.OnLoopback(metrics))
	defer ts.Close()
	for _, host := range []string{"localhost", "rebound.example"} {
		r, err := http.NewRequest("GET", ts.URL, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Host = host
		answer, err := ts.Client().Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		answer.Body.Close()
		fmt.Println(host, answer.StatusCode)
	}
	// Output:
	// localhost 200
	// rebound.example 403
}

// Middleware that wants to know what was answered.
func ExampleCountedWriter() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	counted := &service.CountedWriter{ResponseWriter: httptest.NewRecorder()}
	h.ServeHTTP(counted, httptest.NewRequest("GET", "/", nil))
	fmt.Println(counted.Status, counted.Bytes > 0)
	// Output: 404 true
}

// What a container runs to find out how its program is.
func ExampleHealthcheck() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
	}))
	defer s.Close()
	fmt.Println(service.Healthcheck(context.Background(), s.URL+"/readyz"))
	// Output: 503 Service Unavailable the store does not answer
}

// A manager such as systemd learns when the program can serve. Without one,
// nothing happens.
func ExampleNewNotifier() {
	manager := service.NewNotifier(func(string) (string, bool) { return "", false }, slog.Default()) // os.LookupEnv
	// When the program listens:
	manager.Ready()
	// At the end:
	manager.Stopping()
	// Output:
}

// What a command does until somebody stops it. It passes signal.Notify and
// signal.Stop; here somebody stops it at once.
func ExampleWatchSignals() {
	notify := func(c chan<- os.Signal, _ ...os.Signal) { c <- os.Interrupt }
	sig, done := service.WatchSignals(notify, func(chan<- os.Signal) {})
	defer done()
	sig.Reloads.Store(true) // a hangup does not end the program

	server := &http.Server{Addr: "127.0.0.1:0"}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	for running := true; running; {
		select {
		case <-sig.Reload:
			fmt.Println("reading the configuration again")
		case <-sig.Stop.Done():
			running = false
		}
	}
	fmt.Println(server.Shutdown(sig.Kill)) // a second signal ends the patience
	fmt.Println(<-ended)
	// Output:
	// <nil>
	// http: Server closed
}
