// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestReport(t *testing.T) {
	var got bytes.Buffer
	if err := sampleResults().writeMarkdown(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.md"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the report differs from %s (if it should, run the test with -update):\n%s", golden, got.String())
	}
}

// sampleResults has every kind of cell: two rounds whose medians and ratios
// are easy to work out, a load that fails, a system that does not start and
// one that is not there.
func sampleResults() *results {
	mega := func(own, tree int64) memory { return memory{Own: own * 1e6, Tree: tree * 1e6} }
	round1 := func(scale, start float64) round {
		r := round{StartMillis: start, OneSession: mega(10, 15), ManySessions: memory{Own: 11_240_000, Tree: 170e6}, Loads: map[string]sample{}}
		for i, l := range loads {
			n := float64(i + 1)
			r.Loads[l.Key] = sample{Rate: 60_000 / scale / n, P50Micros: 100 * scale * n, P99Micros: 900 * scale * n, CPUMicros: 10 * scale}
		}
		return r
	}
	lossy := func() round {
		r := round1(30, 700)
		r.Loads["large"] = failedSample(32, os.ErrDeadlineExceeded)
		r.Left = 1
		return r
	}
	return &results{
		Date: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Machine: "a machine", Interpreters: "node v20",
		Seconds: 2, Loads: loads, rounds: 2, maxCalls: 50,
		Systems: []systemResult{
			{Name: stdioName, Title: "bare stdio", Rounds: []round{round1(1, 3), round1(1, 5)}},
			{Name: httpName, Title: "bare net/http", Rounds: []round{round1(2, 8), round1(2, 8)}},
			{Name: shproxyName, Title: "shproxy", Rounds: []round{round1(3, 40), round1(4, 50)}},
			{Name: modernName, Title: "shproxy, modern", Rounds: []round{round1(4, 40), round1(5, 50)}},
			{Name: toLegacyName, Title: "shproxy, modern to legacy", Rounds: []round{round1(4.4, 40), round1(6, 50)}},
			{Name: toModernName, Title: "shproxy, legacy to modern", Rounds: []round{round1(3.6, 40), round1(5, 50)}},
			{Name: "lossy", Title: "lossy 1.0", Rounds: []round{lossy(), lossy()}},
			{Name: "broken", Title: "broken 1.0", Rounds: []round{{Failure: "exited at once"}, {Failure: "exited at once"}}},
			{Name: "absent", Title: "absent 1.0", Missing: absentHint},
		},
	}
}

func TestFailure(t *testing.T) {
	res := sampleResults()
	if err := res.failure(); err != nil {
		t.Errorf("the failures of peers count: %v", err)
	}
	res.Systems[2].Rounds[1].Loads["many"] = failedSample(3, os.ErrDeadlineExceeded)
	if err := res.failure(); err == nil || !strings.Contains(err.Error(), "shproxy: 32 at a time: 3 calls failed") {
		t.Errorf("got %v", err)
	}
	res.Systems[1].Rounds[0].Failure = "port in use"
	if err := res.failure(); err == nil || err.Error() != "bare net/http: port in use" {
		t.Errorf("got %v", err)
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		value    float64
		decimals int
		want     string
	}{
		{0, 0, "0"},
		{999.4, 0, "999"},
		{1234567.8, 0, "1,234,568"},
		{1234.5, 2, "1,234.50"},
		{-123, 0, "-123"},
		{-1234, 0, "-1,234"},
		{known(0), 0, notKnown},
	}
	for _, test := range tests {
		if got := number(test.value, test.decimals); got != test.want {
			t.Errorf("number(%g, %d) = %q, want %q", test.value, test.decimals, got, test.want)
		}
	}
}
