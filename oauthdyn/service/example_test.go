// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func ExampleAccessLog() {
	var text strings.Builder
	log, done, err := service.NewLogger(&text, service.LoggerOptions{Level: "info", Format: "text"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer done()
	h := service.AccessLog(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		log.InfoContext(r.Context(), "hello")
	}), log, "")

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "mine-1")
	h.ServeHTTP(httptest.NewRecorder(), r)
	_, line, _ := strings.Cut(text.String(), " ") // without the time
	fmt.Print(line)
	// Output: level=INFO msg=hello request_id=mine-1
}

func ExampleNewNotifier() {
	manager := service.NewNotifier(os.LookupEnv, slog.Default())
	// When the program listens:
	manager.Ready()
	// At the end:
	manager.Stopping()
}

func ExampleWatchSignals() {
	sig, done := service.WatchSignals(signal.Notify, signal.Stop)
	defer done()
	sig.Reloads.Store(true)
	for {
		select {
		case <-sig.Reload:
			fmt.Fprintln(os.Stderr, "reading the configuration again")
		case <-sig.Stop.Done():
			return
		}
	}
}
