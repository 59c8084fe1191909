// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A baseline is what is known to fail: scenario -> ids of its checks. The id
// wholeScenario stands for whatever fails in it.
type baseline map[string][]string

const wholeScenario = "*"

// readBaseline reads a file in the suite's own format, of which it allows one
// form: a line "server:" or "client:", then lines "  - SCENARIO[:CHECK] # REASON".
func readBaseline(name string) (baseline, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseBaseline(string(text))
}

func parseBaseline(text string) (baseline, error) {
	known := baseline{}
	for n, line := range slices.Collect(strings.Lines(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line == "server:" || line == "server: []" || line == "client:" || line == "client: []" || line == "authorization: []" || strings.HasPrefix(line, "#") {
			continue
		}
		entry, reason, ok := strings.Cut(strings.TrimPrefix(line, "- "), " #")
		if !ok || !strings.HasPrefix(line, "- ") || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("line %d: %q: want - SCENARIO[:CHECK] # REASON", n+1, line)
		}
		scenario, check, ok := strings.Cut(strings.TrimSpace(entry), ":")
		if !ok {
			check = wholeScenario
		}
		if ids := known[scenario]; slices.Contains(ids, check) || slices.Contains(ids, wholeScenario) || check == wholeScenario && len(ids) > 0 {
			return nil, fmt.Errorf("line %d: %s is covered twice", n+1, entry)
		}
		known[scenario] = append(known[scenario], check)
	}
	return known, nil
}

// A check is one element of the array in a scenario's checks.json.
type check struct {
	ID           string `json:"id"`
	Status       string `json:"status"` // SUCCESS, FAILURE, WARNING, SKIPPED or INFO
	ErrorMessage string `json:"errorMessage"`
}

// judge compares a scenario's result with what is known to fail, and returns
// what differs: new failures, and entries of the baseline that do not fail any
// more. A scenario without checks is one that the suite could not run.
func judge(checks []check, known []string) (problems []string) {
	failing := map[string]bool{}
	if len(checks) == 0 {
		failing["no result"] = true
		if !slices.Contains(known, wholeScenario) {
			problems = append(problems, "the suite left no result")
		}
	}
	for _, c := range checks {
		if c.Status != "FAILURE" && c.Status != "WARNING" {
			continue
		}
		failing[c.ID] = true
		if !slices.Contains(known, c.ID) && !slices.Contains(known, wholeScenario) {
			problems = append(problems, fmt.Sprintf("%s %s: %s", c.Status, c.ID, c.ErrorMessage))
		}
	}
	for _, id := range known {
		switch {
		case id == wholeScenario && len(failing) == 0:
			problems = append(problems, "passes now: remove it from the baseline")
		case id != wholeScenario && !failing[id]:
			problems = append(problems, fmt.Sprintf("%s passes now: remove it from the baseline", id))
		}
	}
	return problems
}

func TestParseBaseline(t *testing.T) {
	for _, test := range []struct{ name, text, want, err string }{
		{"empty", "# nothing fails\nserver: []\n", "map[]", ""},
		{"entries", "server:\n  # group\n  - ping # slow\n  - caching:ttl # none\n  - caching:scope # none\n", "map[caching:[ttl scope] ping:[*]]", ""},
		{"no reason", "server:\n  - ping\n", "", "line 2"},
		{"empty reason", "server:\n  - ping # \n", "", "line 2"},
		{"other section", "authorization:\n", "", "line 1"},
		{"twice", "server:\n  - ping # a\n  - ping # b\n", "", "covered twice"},
		{"whole and part", "server:\n  - ping:x # a\n  - ping # b\n", "", "covered twice"},
	} {
		got, err := parseBaseline(test.text)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", test.name, err, test.err)
			}
		} else if err != nil || fmt.Sprint(got) != test.want {
			t.Errorf("%s: %v, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestJudge(t *testing.T) {
	pass, fail, warn := check{"a", "SUCCESS", ""}, check{"b", "FAILURE", "no"}, check{"c", "WARNING", "hm"}
	for _, test := range []struct {
		name   string
		checks []check
		known  []string
		want   string
	}{
		{"passes", []check{pass}, nil, ""},
		{"informs", []check{{"d", "INFO", ""}, {"e", "SKIPPED", ""}}, nil, ""},
		{"fails", []check{pass, fail}, nil, "FAILURE b: no"},
		{"warns", []check{warn}, nil, "WARNING c: hm"},
		{"known", []check{pass, fail, warn}, []string{"b", "c"}, ""},
		{"known as a whole", []check{fail, warn}, []string{"*"}, ""},
		{"known in part", []check{fail, warn}, []string{"b"}, "WARNING c: hm"},
		{"stale", []check{pass}, []string{"a"}, "a passes now: remove it from the baseline"},
		{"stale as a whole", []check{pass}, []string{"*"}, "passes now: remove it from the baseline"},
		{"same id passes and fails", []check{{"b", "SUCCESS", ""}, fail}, []string{"b"}, ""},
		{"no result", nil, nil, "the suite left no result"},
		{"no result, known", nil, []string{"*"}, ""},
	} {
		if got := strings.Join(judge(test.checks, test.known), "; "); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
