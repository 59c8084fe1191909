// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// Whatever is asked for, and whatever a handler does, there are few series.
func TestHTTPMeter(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		var status int
		if n, _ := fmt.Sscan(r.Header.Get("Status"), &status); n == 1 {
			w.WriteHeader(status)
		}
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	m := service.NewHTTPMeter("prog", func(r *http.Request) string { return strings.TrimPrefix(r.Pattern, "/") })
	h := m.Count(mux)
	for i := range 1000 {
		r := httptest.NewRequest("GET", fmt.Sprint("/secret-", i), nil)
		r.Method = []string{"GET", "POST", fmt.Sprint("M", i), "get", "\xff"}[i%5]
		h.ServeHTTP(httptest.NewRecorder(), r)
		r = httptest.NewRequest("POST", "/mcp", nil)
		r.Header.Set("Status", fmt.Sprint(200+i%700))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/panic", nil))
	}()
	var text strings.Builder
	m.Write(exposition.NewWriter(&text))
	for _, want := range []string{
		`prog_http_requests_in_flight 0`,
		`prog_http_requests_total{endpoint="",method="other",code="404"} 600`,
		`prog_http_requests_total{endpoint="mcp",method="POST",code="200"} 2`,
		`prog_http_requests_total{endpoint="panic",method="GET",code="200"} 1`,
		`prog_http_request_duration_seconds_count{endpoint="mcp",method="POST"} 1000`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
	if n := strings.Count(text.String(), "\nprog_http_requests_total{"); n > 70 || strings.Contains(text.String(), "secret") {
		t.Errorf("%d series:\n%s", n, text.String())
	}
}

// A function that gives a name to each request does no harm.
func TestHTTPMeterBoundsEndpoints(t *testing.T) {
	m := service.NewHTTPMeter("prog", func(r *http.Request) string { return r.URL.Path })
	h := m.Count(http.NotFoundHandler())
	for i := range 1000 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprint("/", i), nil))
	}
	var text strings.Builder
	m.Write(exposition.NewWriter(&text))
	if n := strings.Count(text.String(), "\nprog_http_requests_total{"); n != 65 {
		t.Errorf("%d series", n)
	}
}

// Odd methods, which anybody can send, do not take the place of an endpoint.
func TestHTTPMeterKeepsEndpoints(t *testing.T) {
	m := service.NewHTTPMeter("prog", func(r *http.Request) string { return r.URL.Path[1:] })
	h := m.Count(http.NotFoundHandler())
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ODD"} {
		for i := range 20 {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, fmt.Sprint("/", i), nil))
		}
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/token", nil))
	var text strings.Builder
	m.Write(exposition.NewWriter(&text))
	if want := `prog_http_requests_total{endpoint="token",method="POST",code="404"} 1`; !strings.Contains(text.String(), want) {
		t.Errorf("lacks %s", want)
	}
}
