// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Prometheus gets what operators are told of, in the form that it likes, and
// nothing in it is what somebody asked for.
func TestMetrics(t *testing.T) {
	s := site(t)
	p := start(t, "--allow-private", s.Listener.Addr().String(), "--admin-addr", "127.0.0.1:0")
	p.fetch(map[string]any{"url": s.URL + "/here?sesame=1"})
	p.fetch(map[string]any{"url": "http://10.0.0.1/sesame"})
	p.fetch(map[string]any{"url": "http://sesame.example:8080/"})
	status, body := get(t, p.admin+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	for _, want := range []string{
		`fetchserver_documents_total{outcome="ok"} 1`,
		`fetchserver_documents_total{outcome="blocked"} 2`,
		`fetchserver_failures_total{reason="address_refused"} 1`,
		`fetchserver_failures_total{reason="port_refused"} 1`,
		`fetchserver_origin_responses_total{code="2xx"} 1`,
		`fetchserver_received_bytes_total 14`, `fetchserver_decoded_bytes_total 14`,
		`fetchserver_wait_duration_seconds_count 3`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, want := range []string{
		`fetchserver_build_info{version="`, "\ngo_goroutines ", "\nfetchserver_http_requests_in_flight ", `fetchserver_http_requests_total{endpoint="mcp",method="POST",code="200"} `,
		`fetchserver_cache_lookups_total{result="`, `fetchserver_document_duration_seconds_bucket{cache="`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(body, "sesame") || strings.Contains(body, "127.0.0.1") {
		t.Error("the metrics tell what was asked for")
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	_, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Error(err)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
