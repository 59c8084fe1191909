// SPDX-License-Identifier: Apache-2.0

//go:build unix

package observability_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A family is a metric as a program writes it.
type family struct {
	kind   string
	labels map[string]bool // without le
	series int
}

var (
	typeLine   = regexp.MustCompile(`^# TYPE (\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+$`)
	labelName  = regexp.MustCompile(`(?:^|,)([a-z_]+)="(?:[^"\\]|\\.)*"`)
)

// families reads what a program writes.
func families(t *testing.T, text string) map[string]*family {
	t.Helper()
	all, current := map[string]*family{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := typeLine.FindStringSubmatch(line); m != nil {
			current = m[1]
			all[current] = &family{kind: m[2], labels: map[string]bool{}}
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || !strings.HasPrefix(m[1], current) {
			t.Fatalf("line %q of family %s", line, current)
		}
		if strings.Contains(m[2], `le="`) && !strings.Contains(m[2], `le="+Inf"`) || strings.HasSuffix(m[1], "_sum") || strings.HasSuffix(m[1], "_count") {
			continue // of the same series
		}
		all[current].series++
		for _, label := range labelName.FindAllStringSubmatch(m[2], -1) {
			if label[1] != "le" {
				all[current].labels[label[1]] = true
			}
		}
	}
	return all
}

// ofReplicas are metrics that shproxy has with a directory only.
var ofReplicas = regexp.MustCompile(`^shproxy_(replicas|forwarded|received|directory)`)

// ofTLS are metrics of programs that have a certificate, which none has here.
var ofTLS = regexp.MustCompile(`_certificate_expiry_`)

// table reads the metrics in docs/observability.md: name, labels, kind.
func table(t *testing.T) map[string]*family {
	t.Helper()
	data, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*family{}
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(data)) {
		columns := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(columns) != 4 || !slices.Contains([]string{"counter", "gauge", "histogram"}, columns[2]) {
			continue
		}
		f := &family{kind: columns[2], labels: map[string]bool{}}
		for _, label := range code.FindAllStringSubmatch(columns[1], -1) {
			f.labels[label[1]] = true
		}
		for _, name := range code.FindAllStringSubmatch(columns[0], -1) {
			if rest, ok := strings.CutPrefix(name[1], "NAME_"); ok {
				for _, program := range []string{"oauthdyn_", "shproxy_", "fetchserver_"} {
					all[program+rest] = f
				}
			} else {
				all[name[1]] = f
			}
		}
	}
	return all
}

// testMetrics compares the metrics of all programs, after people and attackers
// have used them, with the table that operators read, and has promtool look at
// them. It returns their names.
func testMetrics(t *testing.T, g *gateway) map[string]bool {
	seen, promtool := map[string]bool{}, ""
	t.Run("promtool is there", func(t *testing.T) { promtool = find(t, "promtool") })
	documented := table(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text := get(t, g.admin[name]+"/metrics")
			for _, word := range []string{secret, hidden, chosen} {
				if i := strings.Index(text, word); i >= 0 {
					t.Errorf("a metric has what was asked for: %.200s", text[max(i-100, 0):])
				}
			}
			for metric, f := range families(t, text) {
				seen[metric] = true
				want := documented[metric]
				if want == nil {
					t.Errorf("docs/observability.md lacks %s", metric)
					continue
				}
				if f.kind != want.kind || !maps.Equal(f.labels, want.labels) {
					t.Errorf("%s is a %s with labels %v; docs/observability.md has a %s with labels %v", metric, f.kind,
						slices.Sorted(maps.Keys(f.labels)), want.kind, slices.Sorted(maps.Keys(want.labels)))
				}
				if f.series > 60 {
					t.Errorf("%s has %d series", metric, f.series)
				}
			}
			if promtool == "" {
				return
			}
			check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
			check.Stdin = strings.NewReader(text)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("promtool check metrics: %v\n%s", err, out)
			}
		})
	}
	for name := range documented {
		if ofTLS.MatchString(name) {
			t.Logf("%s is looked for in the tests of the command", name)
			seen[name] = true
		}
		if !g.replicas && ofReplicas.MatchString(name) {
			t.Logf("%s is not looked for, since there is no redis-server; install it with: apt-get install redis-server", name)
			seen[name] = true
		}
		if !seen[name] {
			t.Errorf("docs/observability.md has %s, which nobody writes", name)
		}
	}
	return seen
}

// A dashboard is what the tests need of Grafana's.
type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Time          struct{ From, To string }
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []panel
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Datasource  struct{ Type, UID string }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct {
		RefID        string
		Expr         string
		LegendFormat string
		Datasource   struct{ Type, UID string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	data, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expression is one of the dashboard as Prometheus gets it from Grafana.
func expression(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$job", "oauthdyn|shproxy|fetchserver|verify").Replace(expr)
}

// The dashboard has the form that Grafana reads: panels that do not overlap, each
// with its own id, a title, a unit and queries of the variable data source.
func TestDashboardForm(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 || d.Time.From == "" || len(d.Templating.List) == 0 || d.Templating.List[0].Type != "datasource" {
		t.Errorf("head: %+v", d)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its id or title is empty or not its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("panel %q is at %+v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, is := taken[[2]int{x, y}]; is {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if !slices.Contains([]string{"timeseries", "stat", "table"}, p.Type) || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 ||
			p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %q: %+v", p.Title, p)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.RefID == "" || refs[target.RefID] || target.Expr == "" || target.LegendFormat == "" || target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q, query %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
	}
}

// Every alert is in the page for operators, has unit tests, and the other way
// round.
func TestAlertsAreDocumented(t *testing.T) {
	read := func(name, pattern string) []string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(data), -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	rules := read("rules.yml", `- alert: (\w+)`)
	if len(rules) < 10 {
		t.Fatal(rules)
	}
	for file, pattern := range map[string]string{
		"../../docs/observability.md": "`((?:Gateway|Oauthdyn|Shproxy|Fetchserver)[A-Z]\\w+)`",
		"rules_test.yml":              `# (\w+) fires`,
	} {
		if got := read(file, pattern); !slices.Equal(got, rules) {
			t.Errorf("%s has %v, rules.yml %v", file, got, rules)
		}
	}
}

// promtool is content with all files.
func TestPromtool(t *testing.T) {
	promtool := find(t, "promtool")
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

var metricName = regexp.MustCompile(`\b(?:oauthdyn|shproxy|fetchserver|process|go)_[a-z_]+`)

// testNames finds metrics in the rules and the dashboard that nobody writes.
func testNames(t *testing.T, seen map[string]bool) {
	data, err := os.ReadFile("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	used := metricName.FindAllString(string(data), -1)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			used = append(used, metricName.FindAllString(target.Expr, -1)...)
		}
	}
	if len(used) < 50 {
		t.Errorf("only %d metrics are used", len(used))
	}
	for _, name := range used {
		if name != "go_version" && !seen[name] && !seen[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("%s is used, but nobody writes it", name)
		}
	}
}
