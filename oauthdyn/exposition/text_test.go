// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parse reads text as Prometheus does.
func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return families
}

func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestWriter(t *testing.T) {
	var text strings.Builder
	w := NewWriter(&text)
	w.Family(Gauge, "level", `Of C:\ and`+"\n"+`"the rest".`)
	w.Sample(-1.5)
	w.Family(Counter, "nothing_total", "Leaves no trace.")
	w.Family(Counter, "calls_total", "Calls.")
	w.Sample(1, Label{"who", `a\b"c` + "\n\xff"})
	w.Sample(1e6, Label{"who", ""}, Label{"how", "so"})
	w.Family(Histogram, "time_seconds", "Time.")
	w.Distribution(Distribution{Buckets: []Bucket{{5e-05, 1}, {1, 2}}, Sum: 7.25, Count: 3}, Label{"who", "x"})
	w.Distribution(Distribution{})
	const want = `# HELP level Of C:\\ and\n"the rest".
# TYPE level gauge
level -1.5
# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{who="a\\b\"c\n` + "\ufffd" + `"} 1
calls_total{who="",how="so"} 1e+06
# HELP time_seconds Time.
# TYPE time_seconds histogram
time_seconds_bucket{who="x",le="5e-05"} 1
time_seconds_bucket{who="x",le="1"} 2
time_seconds_bucket{who="x",le="+Inf"} 3
time_seconds_sum{who="x"} 7.25
time_seconds_count{who="x"} 3
time_seconds_bucket{le="+Inf"} 0
time_seconds_sum 0
time_seconds_count 0
`
	if got := text.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	lint(t, text.String())
	families := parse(t, text.String())
	if len(families) != 3 || families["level"].GetHelp() != `Of C:\ and`+"\n"+`"the rest".` {
		t.Errorf("read back: %v", families)
	}
	h := families["time_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 3 || h.GetSampleSum() != 7.25 || len(h.GetBucket()) != 3 || h.GetBucket()[0].GetUpperBound() != 5e-05 {
		t.Errorf("read back: %v", h)
	}
}

// Every number comes back as it was.
func TestNumbers(t *testing.T) {
	for _, want := range []float64{0, 1, -1, 0.1, 1 << 53, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		var text strings.Builder
		w := NewWriter(&text)
		w.Family(Gauge, "level", "Level.")
		w.Sample(want)
		got := parse(t, text.String())["level"].GetMetric()[0].GetGauge().GetValue()
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%v comes back as %v", want, got)
		}
	}
}

// Whatever a label says, it comes back as it was and changes nothing else.
func FuzzLabel(f *testing.F) {
	for _, seed := range []string{"", `\`, `\n`, "\n", `"`, `\"`, "\r\n", "\x00", "\xff", "\xed\xa0\x80", "}", `"} 1` + "\n# TYPE level counter\n", "ö\u2028"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, value, other string) {
		var text strings.Builder
		w := NewWriter(&text)
		w.Family(Gauge, "level", value)
		w.Sample(7, Label{"value", value}, Label{"other", other})
		families := parse(t, text.String())
		family := families["level"]
		if len(families) != 1 || len(family.GetMetric()) != 1 || family.GetMetric()[0].GetGauge().GetValue() != 7 {
			t.Fatalf("read back: %v", families)
		}
		labels := family.GetMetric()[0].GetLabel()
		if len(labels) != 2 || labels[0].GetValue() != valid(value) || labels[1].GetValue() != valid(other) {
			t.Errorf("%q, %q come back as %v", value, other, labels)
		}
	})
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// The metrics of this process are plausible, and Prometheus likes them.
func TestProcess(t *testing.T) {
	var text strings.Builder
	Process(NewWriter(&text))
	lint(t, text.String())
	families := parse(t, text.String())
	type bounds struct{ min, max float64 }
	want := map[string]bounds{
		"go_goroutines":                {2, 1000},
		"go_info":                      {1, 1},
		"go_memstats_heap_alloc_bytes": {1 << 10, 1 << 30},
		"go_memstats_sys_bytes":        {1 << 20, 1 << 40},
		"process_start_time_seconds":   {1.7e9, 1e11},
	}
	if runtime.GOOS == "linux" {
		want["process_cpu_seconds_total"] = bounds{1e-6, 1e6}
		want["process_max_fds"] = bounds{16, math.MaxUint64}
		want["process_resident_memory_bytes"] = bounds{1 << 20, 1 << 34}
		want["process_threads"] = bounds{1, 10000}
		want["process_open_fds"] = bounds{3, 10000}
		if len(families) != len(want) {
			t.Errorf("%d families, want %d", len(families), len(want))
		}
	}
	for name, b := range want {
		if len(families[name].GetMetric()) != 1 {
			t.Errorf("%s is missing", name)
			continue
		}
		m := families[name].GetMetric()[0]
		if got := m.GetGauge().GetValue() + m.GetCounter().GetValue(); got < b.min || got > b.max {
			t.Errorf("%s is %v, want %v to %v", name, got, b.min, b.max)
		}
	}
	if l := families["go_info"].GetMetric()[0].GetLabel(); len(l) != 1 || l[0].GetValue() != runtime.Version() {
		t.Errorf("go_info has %v", l)
	}
}
