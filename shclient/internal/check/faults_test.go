// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/check/faultyserver"
)

// serveFaulty is this program as a server with faults over stdio.
func serveFaulty(options string) error {
	faults, versions, _ := strings.Cut(options, ";")
	s, err := faultyserver.New(faultyserver.Options{Faults: strings.Fields(faults), Versions: strings.Fields(versions)})
	if err != nil {
		return err
	}
	return s.ServeLines(context.Background(), os.Stdin, os.Stdout)
}

const (
	goodToken = "a-token-with-the-scope"
	poorToken = "a-token-without-scopes"
)

// withToken adds a token to requests.
type withToken struct{}

func (withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+goodToken)
	return http.DefaultTransport.RoundTrip(r)
}

// faulty is a server with faults, over HTTP or stdio.
func faulty(t *testing.T, over string, o faultyserver.Options) Target {
	t.Helper()
	if over == "stdio" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return Target{Name: "faulty", Command: []string{self}, Env: []string{
			"CHECK_TEST_SERVER=" + strings.Join(o.Faults, " ") + ";" + strings.Join(o.Versions, " "),
			"GORACE=atexit_sleep_ms=0", // a second, by default
		}}
	}
	s, err := faultyserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	target := Target{Name: "faulty", URL: web.URL + faultyserver.Path}
	if len(o.Tokens) > 0 {
		target.Client = &http.Client{Transport: withToken{}}
	}
	return target
}

// where gives the versions that a server with a fault speaks, and those to
// look at.
func where(f faultyserver.Fault) (speaks, versions []string, tokens map[string]string) {
	switch f.Era {
	case faultyserver.Both, faultyserver.Modern:
		return nil, []string{V20260728}, nil
	case faultyserver.Legacy:
		return nil, []string{V20251125}, nil
	case faultyserver.ModernOnly:
		return []string{V20260728}, []string{V20260728}, nil
	case faultyserver.Protected:
		return nil, []string{V20250618, V20260728}, map[string]string{goodToken: faultyserver.Scope, poorToken: ""}
	}
	return nil, []string{string(f.Era)}, nil
}

// slow are faults that keep the check waiting for what does not come.
var slow = []string{"id-changed", "id-missing", "id-null", "id-type-changed", "stdin-close-ignored", "stream-event-unended",
	"stream-not-ended", "stream-without-framing", "string-id-changed"}

// TestFaults turns each fault on: the rule that it breaks is reported, with the
// right level, and no other MUST but those that it breaks as well. Unless
// CHECK_TEST_ALL is set, only rules of the same themes are tried, faults that show
// over both transports over HTTP only, and slow ones not at all.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: hundreds of servers")
	}
	known := map[string]faultyserver.Fault{}
	for _, f := range faultyserver.Faults {
		known[f.Name] = f
	}
	all := os.Getenv("CHECK_TEST_ALL") != ""
	for _, want := range planted {
		f := known[want.fault]
		for _, over := range []string{"http", "stdio"} {
			if f.Over != "" && f.Over != over || !all && (f.Over == "" && over == "stdio" || slices.Contains(slow, f.Name)) {
				continue
			}
			t.Run(want.fault+"/"+over, func(t *testing.T) {
				t.Parallel()
				speaks, versions, tokens := where(f)
				target := faulty(t, over, faultyserver.Options{Faults: []string{f.Name}, Versions: speaks, Tokens: tokens})
				o := Options{Versions: versions, quiet: 20 * time.Millisecond}
				if !all { // nothing is waited for that does not come
					o.Timeout, o.patience = patient, patient
					o.Rules = ofThemes(t, want)
				}
				report, err := Run(t.Context(), target, o)
				if err != nil {
					t.Fatal(err)
				}
				judge(t, want, report)
			})
		}
	}
}

// ofThemes are the rules of the themes that a fault touches, and two that call
// tools, since some faults show in what comes then.
func ofThemes(t *testing.T, want plant) []Rule {
	globs := []string{"tools.result", "result.type"}
	for _, id := range append(strings.Fields(want.also), want.rule) {
		theme, _, _ := strings.Cut(id, ".")
		globs = append(globs, theme+".*")
	}
	rules, err := Select(Rules(), globs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestPlanted holds the table to the faults and the rules: each fault has a row,
// and each rule a fault that breaks it.
func TestPlanted(t *testing.T) {
	faults, rules := map[string]bool{}, map[string]bool{}
	for _, want := range planted {
		faults[want.fault], rules[want.rule] = true, true
	}
	for _, f := range faultyserver.Faults {
		if faults[f.Name] == (unseen[f.Name] != "") {
			t.Errorf("%s has to be either planted or unseen", f.Name)
		}
	}
	for _, r := range Rules() {
		if !rules[r.ID] {
			t.Errorf("no fault breaks %s", r.ID)
		}
	}
}

func judge(t *testing.T, want plant, report *Report) {
	t.Helper()
	allowed := append(strings.Fields(want.also), want.rule)
	found := false
	for _, result := range report.Results {
		switch {
		case result.Outcome == Broken && result.Rule == want.rule && result.Level == want.level:
			found = true
		case result.Outcome == Broken && result.Level == Must && !slices.Contains(allowed, result.Rule):
			t.Errorf("%s is reported in %s as well: %+v", result.Rule, result.Version, result.Findings)
		}
	}
	if !found {
		t.Errorf("%s %s is not reported, but: %s", want.level, want.rule, broken(report))
	}
}

// broken are the rules that are broken, with their level.
func broken(r *Report) string {
	var all []string
	for _, result := range r.Results {
		switch result.Outcome {
		case Broken:
			all = append(all, fmt.Sprintf("%s=%s", result.Rule, result.Level))
		case Unclear:
			all = append(all, fmt.Sprintf("%s=unclear (%s)", result.Rule, result.Detail))
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// TestFlawless is silent: the server without faults keeps all rules in each
// version, over both transports, and with a login.
func TestFlawless(t *testing.T) {
	for _, over := range []string{"http", "stdio", "protected"} {
		for _, speaks := range [][]string{nil, {V20241105}, {V20250326}, {V20250618}, {V20251125}, {V20260728}} {
			t.Run(over+"/"+strings.Join(speaks, ""), func(t *testing.T) {
				t.Parallel()
				o := faultyserver.Options{Versions: speaks}
				if over == "protected" {
					o.Tokens = map[string]string{goodToken: faultyserver.Scope}
				}
				report, err := Run(t.Context(), faulty(t, over, o), Options{quiet: 20 * time.Millisecond, Timeout: patient, patience: patient})
				if err != nil {
					t.Fatal(err)
				}
				for _, result := range report.Results {
					if result.Outcome == Broken || result.Outcome == Unclear {
						t.Errorf("%s %s: %s %s %+v", result.Version, result.Rule, result.Outcome, result.Detail, result.Findings)
					}
				}
			})
		}
	}
}
