// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestHealthcheck(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // which must not be asked
	var stopping atomic.Bool
	probes := &service.Probes{Stopping: &stopping, Check: func(context.Context) error { return nil }}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", probes.Ready)
	mux.Handle("/moved", http.RedirectHandler("/readyz", http.StatusFound))
	s := httptest.NewServer(mux)
	defer s.Close()
	away := httptest.NewServer(mux)
	away.Close()

	if err := service.Healthcheck(t.Context(), s.URL+"/readyz"); err != nil {
		t.Errorf("a program that can work: %v", err)
	}
	stopping.Store(true)
	for address, want := range map[string]string{
		s.URL + "/readyz":    `503 Service Unavailable {"status":"stopping"}`,
		s.URL + "/moved":     "302 Found",
		s.URL + "/none":      "404 Not Found",
		away.URL + "/readyz": "refused",
		"127.0.0.1:9090":     "it looks like http://127.0.0.1:9090/readyz",
		"":                   "it looks like http://127.0.0.1:9090/readyz",
	} {
		if err := service.Healthcheck(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", address, err, want)
		}
	}
}
