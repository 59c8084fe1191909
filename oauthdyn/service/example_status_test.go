// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// The admin address of a program, which shows that of another one too.
func ExampleAdmin() {
	other := httptest.NewServer((&service.Admin{
		Program: "other", Version: "v2.0.0", Metrics: func(*exposition.Writer) {},
		Probes: &service.Probes{Stopping: new(atomic.Bool), Check: func(context.Context) error { return fmt.Errorf("no database") }},
	}).Handler())
	defer other.Close()
	peers, err := service.ParsePeers([]string{"other=" + other.URL}) // as from a flag
	if err != nil {
		fmt.Println(err)
		return
	}

	requests := service.NewHTTPMeter("example", func(r *http.Request) string { return r.Pattern })
	public := requests.Count(http.NotFoundHandler())
	public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/tea", nil))

	admin := (&service.Admin{
		Program: "example", Version: "v1.0.0", Metrics: requests.Write, Peers: peers,
		Probes: &service.Probes{Stopping: new(atomic.Bool), Check: func(context.Context) error { return nil }},
		Facts:  func() []service.Fact { return []service.Fact{{Name: "jobs", Value: "3"}} },
	}).Handler()
	for _, path := range []string{"/status", "/metrics"} {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		for line := range strings.Lines(w.Body.String()) {
			if strings.Contains(line, `"status":`) || strings.Contains(line, `"error":`) || strings.HasPrefix(line, "example_http_requests_total{") {
				fmt.Print(strings.TrimSpace(line), "\n")
			}
		}
	}
	// Output:
	// "status": "ok",
	// "status": "failed",
	// "error": "no database",
	// example_http_requests_total{endpoint="",method="other",code="404"} 1
}

// A program with a page of its own about its status, for people or, as JSON, for
// programs.
func ExampleNewStatusTemplate() {
	page := service.NewStatusTemplate("mine", nil, `{{.Jobs}} jobs, up {{uptime .Uptime}}{{template "peers" .Peers}}`)
	status := func(w http.ResponseWriter, r *http.Request) {
		answer := struct {
			Jobs   int
			Uptime float64
			Peers  []service.PeerStatus
		}{3, 3600, (*service.Peers)(nil).Ask(r)} // it has none
		if service.PrefersHTML(r.Header.Values("Accept")) {
			service.WriteStatusPage(w, page, answer)
		} else {
			service.WriteStatus(w, answer.Jobs)
		}
	}
	for _, accept := range []string{"text/html", "application/json"} {
		r := httptest.NewRequest("GET", "/status", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		status(w, r)
		fmt.Println(strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 3 jobs, up 1h0m0s
	// 3
}

// Metrics without the rest of an admin address. Labels are of few values.
func ExampleMetricsHandler() {
	brewed := map[string]int{}
	h := service.MetricsHandler("example", "v1.0.0", func(w *exposition.Writer) {
		w.Family(exposition.Counter, "example_brews_total", "Requests by their method.")
		for method, n := range brewed {
			w.Sample(float64(n), exposition.Label{Name: "method", Value: method})
		}
	})
	for _, method := range []string{"BREW", "WHEN"} {
		brewed[service.MethodLabel(method)]++
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all, _ := io.ReadAll(w.Body)
	fmt.Fprint(os.Stdout, string(all[strings.Index(string(all), "example_brews_total{"):]))
	// Output: example_brews_total{method="other"} 2
}
