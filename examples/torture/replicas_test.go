// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// TestReplicas is the run with replicas, of as many calls as TORTURE_CALLS
// says, or where nothing may be skipped a short one.
func TestReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if !canSeeProcesses {
		t.Skip("needs Linux")
	}
	calls := os.Getenv("TORTURE_CALLS")
	if calls == "" {
		if !need.Everything() {
			t.Skip("takes half a minute: set TORTURE_CALLS, to 1500 or more, or REQUIRE_ALL=1")
		}
		calls = "1500"
	}
	need.Program(t, "nginx", "apt-get install nginx-light")
	need.Program(t, "redis-server", "apt-get install redis-server")
	args := []string{"-replicas", "-calls", calls, "-parallel", "24", "-json", "-server", builtServer(t)}
	if raceEnabled {
		args = append(args, "-race")
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	var res groupResults
	if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
		t.Fatalf("exit %d, %v\n%s", code, err, stderr.String())
	}
	var text strings.Builder
	if err := res.writeText(&text); err != nil {
		t.Error(err)
	}
	t.Log("\n" + text.String())
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
	sums := make(map[string]int)
	for _, s := range res.Stages {
		for what, n := range s.Counts {
			sums[what] += n
		}
	}
	// What did not happen was not tried.
	for _, what := range []string{sawSurvived, sawGone, sawModern, sawEvents, sawElsewhere, sawResumed, sawAsked, sawParked, sawDeleted} {
		if sums[what] == 0 {
			t.Errorf("not once: %s", what)
		}
	}
	if want, _ := strconv.Atoi(calls); res.Calls < want*9/10 {
		t.Errorf("%d calls, want about %s", res.Calls, calls)
	}
	if left := marked(res.Marker); len(left) > 0 {
		t.Errorf("processes left: %+v", left)
	}
}

func TestJournal(t *testing.T) {
	tests := []struct{ events, want string }{
		{"1 2 3", ""},
		{"1 2 2", badDuplicated},
		{"1 3 2", badReordered},
		{"1 -1", badMisrouted}, // of another session
		{"1 3", badLost},
	}
	for _, test := range tests {
		var got []string
		j := &journal{session: "mine", seen: make(map[int]bool), wrong: func(kind, _, _ string) { got = append(got, kind) }}
		last := 0
		for word := range strings.FieldsSeq(test.events) {
			n := numbered{Session: "mine"}
			if n.Seq, _ = strconv.Atoi(word); n.Seq < 0 {
				n = numbered{Session: "other", Seq: 1}
			}
			last = j.take(&frame{Params: raw(map[string]any{"_meta": map[string]any{"torture": n}})}, last)
		}
		if len(j.missing(last)) > 0 {
			got = append(got, badLost)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: found %q, want %q", test.events, got, test.want)
		}
	}
}
