// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// sampleReport has two steps of an open loop. All but one in a thousand calls
// take about 2 ms.
func sampleReport() *Report {
	r := &Report{Target: "https://example.com/<mcp>", Transport: "HTTP", Protocol: "2025-11-25", Method: "tools/call", Tool: "echo", ClientCPU: 17.25}
	for _, rate := range []float64{100, 1000} {
		var t Tally
		for i := range 2000 {
			d := 2 * time.Millisecond
			if i%1000 == 0 {
				d = 250 * time.Millisecond
			}
			t.succeed(d, time.Unix(0, 0))
			t.Delay.Record(50 * time.Microsecond)
		}
		t.fail(&Failure{Class: ClassTool, Kind: "tool error", Text: "out of tea"})
		r.Add(Outcome{Step: Step{Sessions: 2, Concurrency: 4, Rate: rate}, Elapsed: 2 * time.Second, NotStarted: 7, Interrupted: rate == 1000}, &t)
	}
	return r
}

func TestReportForPeople(t *testing.T) {
	var b strings.Builder
	if err := sampleReport().Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `echo at https://example.com/<mcp>
MCP 2025-11-25 over HTTP

  rate/s  calls/s  calls  failed  p50 ms   p90   p99  p99.9  max
     100     1000   2000       1    2.00  2.00  2.00   2.00  250
    1000     1000   2000       1    2.00  2.00  2.00   2.00  250

rate 100: 1 x tool error: out of tea
rate 100: 7 calls were due but not started: all 8 were in flight
rate 100: starts behind their time, part of the latency: p50 0.050 ms, p99 0.050 ms
rate 1000: 1 x tool error: out of tea
rate 1000: 7 calls were due but not started: all 8 were in flight
rate 1000: starts behind their time, part of the latency: p50 0.050 ms, p99 0.050 ms
measuring took 17.2 µs of CPU per call
interrupted: this is what there was until then

latency in ms of the last step by share of calls (bars logarithmic)
      0%      2.00 ▏
     25%      2.00 ▏
     50%      2.00 ▏
     75%      2.00 ▏
     90%      2.00 ▏
     95%      2.00 ▏
     99%      2.00 ▏
   99.5%      2.00 ▏
   99.9%      2.00 ▏
    100%       250 ██████████████████████████████████████████████████
`
	got := strings.ReplaceAll(b.String(), "2.01", "2.00") // the end of the bucket
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 && !strings.HasPrefix(line, "rate") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestReportAsSVG(t *testing.T) {
	var b strings.Builder
	if err := sampleReport().WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	lines, texts := 0, ""
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, &b)
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local == "stroke-width" {
					lines++
				}
			}
		case xml.CharData:
			texts += string(token)
		}
	}
	if lines != 2 {
		t.Errorf("%d lines, want one for each step", lines)
	}
	for _, want := range []string{"echo at https://example.com/<mcp>", "99.9%", "100 calls/s", "latency in ms"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q in the texts:\n%s", want, texts)
		}
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Error("a coordinate is no number")
	}
}

func TestReportOfNothing(t *testing.T) {
	r := &Report{Method: "ping"}
	r.Add(Outcome{Step: Step{Sessions: 1, Concurrency: 1}, Interrupted: true}, new(Tally))
	var text, svg strings.Builder
	if err := errors.Join(r.Write(&text), r.WriteSVG(&svg)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String()+svg.String(), "NaN") || strings.Contains(text.String(), "by share") {
		t.Errorf("%s\n%s", &text, &svg)
	}
	out, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(out), `"failures":[]`) {
		t.Errorf("%s, %v", out, err)
	}
}
