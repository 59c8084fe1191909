// SPDX-License-Identifier: Apache-2.0

//go:build unix

package observability_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// answer is one of Prometheus' API.
type answer struct {
	Status string
	Error  string
	Data   struct {
		Result []struct{ Metric map[string]string }
		Groups []struct {
			Rules []struct{ Name, Health, LastError, State string }
		}
	}
}

// silent are the panels that have nothing to show when all is well.
var silent = map[string]bool{"Alerts": true}

// testPrometheus has Prometheus scrape the programs with the configuration of
// this directory, in which only addresses and times are others, and asks it
// everything that the dashboard asks.
func testPrometheus(t *testing.T, g *gateway) {
	program, dir := find(t, "prometheus"), t.TempDir()
	data, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("15s", "1s", "127.0.0.1:9090", strings.TrimPrefix(g.admin["oauthdyn"], "http://"),
		"127.0.0.1:9091", strings.TrimPrefix(g.admin["shproxy"], "http://"),
		"127.0.0.1:9092", strings.TrimPrefix(g.admin["fetchserver"], "http://")).Replace(string(data))
	rules, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"prometheus.yml": config, "rules.yml": string(rules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := "127.0.0.1:" + freePort(t)
	p := start(t, program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	p.logged(`(Server is ready to receive web requests)`)
	ask := func(path string) (a answer) {
		t.Helper()
		if err := json.Unmarshal([]byte(get(t, "http://"+address+path)), &a); err != nil || a.Status != "success" {
			t.Fatalf("%s: %v %+v", path, err, a)
		}
		return a
	}
	query := func(expr string) int {
		t.Helper()
		return len(ask("/api/v1/query?" + url.Values{"query": {expr}}.Encode()).Data.Result)
	}
	tick, late := time.NewTicker(200*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for query(`count_over_time(up[1m]) >= 3 and up == 1`) != 3 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("Prometheus does not reach the programs")
		}
	}
	queries, empty := 0, []string{}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			queries++
			if query(expression(target.Expr)) == 0 && !silent[panel.Title] && (g.replicas || !ofReplicas.MatchString(metricName.FindString(target.Expr))) {
				empty = append(empty, panel.Title+": "+target.Expr)
			}
		}
	}
	if len(empty) > 0 {
		t.Errorf("of %d queries of the dashboard these have no answer:\n%s", queries, strings.Join(empty, "\n"))
	}
	n := 0
	for _, group := range ask("/api/v1/rules").Data.Groups {
		for _, rule := range group.Rules {
			n++
			if rule.Health != "ok" && rule.Health != "unknown" || rule.LastError != "" {
				t.Errorf("%s: %+v", rule.Name, rule)
			}
			if rule.State == "firing" && rule.Name != "FetchserverProbing" && rule.Name != "OauthdynGuessing" {
				t.Errorf("%s fires, though all is well", rule.Name)
			}
		}
	}
	t.Logf("%d queries of the dashboard and %d rules, all with an answer", queries, n)
}
