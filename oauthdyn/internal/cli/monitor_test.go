// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// Prometheus hears of requests, events, tokens, refusals and the store, in the
// form that it likes, at the admin address alone.
func TestMetrics(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	people, err := local.Open(users)
	if err != nil {
		t.Fatal(err)
	}
	if err := people.Set("alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	p := serve(t, nil, "--admin-addr", "127.0.0.1:0", "--users", users, "--verify", "--audit-log", filepath.Join(t.TempDir(), "audit.log"))
	admin := strings.TrimSuffix(p.logged(`msg="admin address" url=(\S+)`)[1], "/status")
	issuer := "http://" + p.addr
	b := &browser.Browser{Username: "alice", Password: "correct horse"}
	client, err := oauthdyn.New(oauthdyn.Config{AuthServer: issuer, Resource: "https://mcp.example.com/mcp", OpenURL: b.Open,
		HTTPClient: &http.Client{Transport: behind(issuer)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(context.Background()); err != nil {
		t.Fatal(err)
	}
	if res, err := http.PostForm(issuer+"/token", map[string][]string{"client_id": {"client_nobody"}}); err != nil || res.StatusCode != 401 {
		t.Fatal(res, err)
	}
	for i := range 50 { // paths that nobody knows are one
		get(t, fmt.Sprint(issuer, "/path-", i))
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if status, _ := get(t, issuer+path); status != 404 {
			t.Errorf("%s is public: %d", path, status)
		}
	}
	status, text := get(t, admin+"/metrics")
	if status != 200 {
		t.Fatal(status, text)
	}
	for _, want := range []string{
		`oauthdyn_http_requests_total{endpoint="token",method="POST",code="200"} 1`,
		`oauthdyn_http_requests_total{endpoint="token",method="POST",code="401"} 1`,
		`oauthdyn_http_request_duration_seconds_count{endpoint="token",method="POST"} 2`,
		`oauthdyn_events_total{event="client.create",outcome="success"} 1`,
		`oauthdyn_events_total{event="sign_in",outcome="success"} 1`,
		`oauthdyn_tokens_issued_total{grant_type="authorization_code"} 1`,
		`oauthdyn_refusals_total{event="token",error="invalid_client"} 1`,
		`oauthdyn_store_operation_duration_seconds_count{operation="redeem_code"} 1`,
		`oauthdyn_store_errors_total{operation="client"} 0`,
		`oauthdyn_audit_events_lost_total 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if n := strings.Count(text, "\noauthdyn_http_requests_total{"); n > 20 || !strings.Contains(text, `{endpoint="other",method="GET",code="404"}`) {
		t.Errorf("%d series of requests", n)
	}
	for _, want := range []string{"\noauthdyn_revocations_age_seconds ", "\ngo_goroutines ", "\noauthdyn_build_info{version="} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if t.Failed() {
		t.Log(text)
	}
	// A name that leads to the loopback address is not its own.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, rebound := range [][2]string{{"evil.example", ""}, {"", "https://evil.example"}} {
		req.Host, req.Header = rebound[0], http.Header{}
		if rebound[1] != "" {
			req.Header.Set("Origin", rebound[1])
		}
		if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %v, %v", rebound, res, err)
		}
	}
	p.signal(os.Interrupt)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
