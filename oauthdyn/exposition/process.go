// SPDX-License-Identifier: Apache-2.0

package exposition

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// started is when the process began, but for some milliseconds.
var started = time.Now()

// Process writes the metrics of this process, as far as the system tells
// them, under the names that the client libraries of Prometheus use.
func Process(w *Writer) {
	w.Family(Gauge, "go_goroutines", "Number of goroutines that currently exist.")
	w.Sample(float64(runtime.NumGoroutine()))
	w.Family(Gauge, "go_info", "Information about the Go environment.")
	w.Sample(1, Label{"version", runtime.Version()})

	memory := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(memory)
	w.Family(Gauge, "go_memstats_heap_alloc_bytes", "Number of heap bytes allocated and currently in use.")
	w.Sample(float64(memory[0].Value.Uint64()))
	w.Family(Gauge, "go_memstats_sys_bytes", "Number of bytes obtained from system.")
	w.Sample(float64(memory[1].Value.Uint64()))

	w.Family(Gauge, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.")
	w.Sample(float64(started.UnixMilli()) / 1000)
	usage(w)
	procfs(w)
}
