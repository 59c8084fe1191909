// SPDX-License-Identifier: Apache-2.0

package exposition_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
)

// What a /metrics handler writes, with the media type ContentType.
func Example() {
	durations := exposition.NewTimes(0.1, 1)
	durations.Add(30 * time.Millisecond)
	durations.Add(2 * time.Second)

	w := exposition.NewWriter(os.Stdout)
	w.Family(exposition.Gauge, "example_sessions", "Sessions that are open.")
	w.Sample(3)
	w.Family(exposition.Counter, "example_requests_total", "Requests by their outcome.")
	w.Sample(41, exposition.Label{Name: "outcome", Value: "ok"})
	w.Sample(1, exposition.Label{Name: "outcome", Value: "refused"})
	w.Family(exposition.Histogram, "example_request_duration_seconds", "How long requests took.")
	w.Distribution(durations.Distribution())
	// Output:
	// # HELP example_sessions Sessions that are open.
	// # TYPE example_sessions gauge
	// example_sessions 3
	// # HELP example_requests_total Requests by their outcome.
	// # TYPE example_requests_total counter
	// example_requests_total{outcome="ok"} 41
	// example_requests_total{outcome="refused"} 1
	// # HELP example_request_duration_seconds How long requests took.
	// # TYPE example_request_duration_seconds histogram
	// example_request_duration_seconds_bucket{le="0.1"} 1
	// example_request_duration_seconds_bucket{le="1"} 1
	// example_request_duration_seconds_bucket{le="+Inf"} 2
	// example_request_duration_seconds_sum 2.03
	// example_request_duration_seconds_count 2
}

// A distribution that somebody else has counted.
func ExampleDistribution() {
	w := exposition.NewWriter(os.Stdout)
	w.Family(exposition.Histogram, "example_page_bytes", "Size of pages.")
	w.Distribution(exposition.Distribution{
		Buckets: []exposition.Bucket{{Bound: 1024, Count: 7}, {Bound: 65536, Count: 9}},
		Sum:     40000, Count: 10,
	}, exposition.Label{Name: "type", Value: "html"})
	// Output:
	// # HELP example_page_bytes Size of pages.
	// # TYPE example_page_bytes histogram
	// example_page_bytes_bucket{type="html",le="1024"} 7
	// example_page_bytes_bucket{type="html",le="65536"} 9
	// example_page_bytes_bucket{type="html",le="+Inf"} 10
	// example_page_bytes_sum{type="html"} 40000
	// example_page_bytes_count{type="html"} 10
}

// The process itself; how much is told depends on the system.
func ExampleProcess() {
	var text strings.Builder
	exposition.Process(exposition.NewWriter(&text))
	fmt.Println(strings.Contains(text.String(), "process_start_time_seconds"))
	// Output: true
}

// Which version runs is a metric too, whose labels tell it.
func ExampleBuild() {
	var text strings.Builder
	exposition.Build(exposition.NewWriter(&text), "example", "v1.0.0")
	_, sample, _ := strings.Cut(text.String(), "example_build_info{")
	labels, _, _ := strings.Cut(sample, ",")
	fmt.Println(labels)
	// Output: version="v1.0.0"
}
