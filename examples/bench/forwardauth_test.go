// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestForwardAuthSmoke checks real tokens, with few calls, on what needs only Go.
func TestForwardAuthSmoke(t *testing.T) {
	smoke(t, forwardAuthLoads, []string{"-forward-auth"}, bareName, oauthdynName)
}

// smoke measures systems with few calls, of which each must get the right reply.
func smoke(t *testing.T, loads []load, flags []string, systems ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"-rounds", "1", "-duration", "10s", "-calls", "64", "-systems", strings.Join(systems, ","), "-json"}, flags...)
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr.String())
	}
	var res results
	if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	if len(res.Systems) != len(systems) {
		t.Fatalf("%d systems, want %d", len(res.Systems), len(systems))
	}
	for _, s := range res.Systems {
		if len(s.Rounds) != 1 {
			t.Fatalf("%s: %d rounds, want 1", s.Title, len(s.Rounds))
		}
		for _, l := range loads {
			if got := s.Rounds[0].Loads[l.Key]; got.Rate <= 0 || got.Errors != 0 {
				t.Errorf("%s: %s: %+v", s.Title, l.Title, got)
			}
		}
	}
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

func TestForwardAuthMissing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-forward-auth", "-rounds", "1", "-peers", t.TempDir(), "-systems", "original"}
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	if want := "| mcp-oauth-dynamicclient 0.2.0 (the original) | not installed: run with -install |"; !strings.Contains(stdout.String(), want) {
		t.Errorf("no %q in\n%s", want, stdout.String())
	}
}

// TestWrongAnswers shows that a check counts only if it lets the right person pass.
func TestWrongAnswers(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"right", setPersonHeaders, ""},
		{"refused", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(userHeader, "local:"+person)
			w.WriteHeader(http.StatusUnauthorized)
		}, "HTTP status 401"},
		{"other person", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(userHeader, "mallory") }, `the answer says "mallory", want user "local:alice"`},
		{"nobody", func(http.ResponseWriter, *http.Request) {}, `the answer says "", want user "local:alice"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ts := httptest.NewServer(test.handler)
			defer ts.Close()
			opened, err := checksOf("token", "local:"+person)(t.Context(), ts.Listener.Addr().String(), "")
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("opening: got error %v, want %q", err, test.want)
			}
			lanes, err := opened.lanes(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer closeLanes(lanes)
			seen, _ := drive(t.Context(), lanes, &plan{limit: 3, deadline: time.Now().Add(time.Minute)})
			if test.want == "" && (len(seen.latencies) != 3 || seen.err != nil) {
				t.Errorf("%d right answers, error %v", len(seen.latencies), seen.err)
			}
			if test.want != "" && (len(seen.latencies) != 0 || seen.errors != 3 || !strings.Contains(seen.err.Error(), test.want)) {
				t.Errorf("%d right answers, %d errors, %v", len(seen.latencies), seen.errors, seen.err)
			}
		})
	}
}
