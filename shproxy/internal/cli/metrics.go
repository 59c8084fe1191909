// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

// metrics answers Prometheus, from the same numbers as the status.
func (a *admin) metrics(log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		serverCollector(a.servers),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		Registry: registry,
	})
}

// metric is a number of a server, under a name.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*shproxy.Status) float64
}

func gauge[T int | int64](name, help string, value func(*shproxy.Status) T) metric {
	return metric{describe(name, help), prometheus.GaugeValue, func(s *shproxy.Status) float64 { return float64(value(s)) }}
}

func counter(name, help string, value func(*shproxy.Status) int64) metric {
	return metric{describe(name, help), prometheus.CounterValue, func(s *shproxy.Status) float64 { return float64(value(s)) }}
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("shproxy_"+name, help, append([]string{"server"}, labels...), nil)
}

// serverMetrics are the numbers that each server has one of.
var serverMetrics = []metric{
	gauge("sessions", "Sessions that clients can use.", func(s *shproxy.Status) int { return s.Sessions }),
	gauge("children", "Processes of the server, including those that are ending.", func(s *shproxy.Status) int { return s.Children }),
	gauge("calls_in_flight", "Requests of clients that wait for their answer.", func(s *shproxy.Status) int { return s.Calls }),
	gauge("streams", "Event streams that are open.", func(s *shproxy.Status) int64 { return s.Streams }),
	gauge("queued_bytes", "Bytes that wait for the server or a client to read them.", func(s *shproxy.Status) int64 { return s.QueuedBytes }),
	counter("child_starts_total", "Processes started.", func(s *shproxy.Status) int64 { return s.Started }),
	counter("child_start_failures_total", "Processes that could not be started or did not answer in time.", func(s *shproxy.Status) int64 { return s.FailedStarts }),
	counter("child_crashes_total", "Processes that ended without being asked.", func(s *shproxy.Status) int64 { return s.Crashed }),
	counter("child_restarts_total", "Processes that took the place of one that crashed.", func(s *shproxy.Status) int64 { return s.Restarted }),
	counter("leaked_processes_total", "Processes that outlived their server and had to be killed.", func(s *shproxy.Status) int64 { return s.Leaked }),
	counter("messages_dropped_total", "Messages of the server that had nowhere to go.", func(s *shproxy.Status) int64 { return s.Dropped }),
	counter("noise_lines_total", "Lines on the server's stdout that were no message.", func(s *shproxy.Status) int64 { return s.Noise }),
}

var (
	stateDesc    = describe("server_state", "1 for the state that the server is in, 0 for the others.", "state")
	callsDesc    = describe("calls_total", "Requests of clients that have ended.", "method", "outcome")
	durationDesc = describe("call_duration_seconds", "Time from the arrival of a request to its end, without refused ones.", "method")
	bytesDesc    = describe("bytes_total", "Bytes of messages passed on.", "direction")
)

var states = []shproxy.State{
	shproxy.StateIdle, shproxy.StateOK, shproxy.StateRestarting, shproxy.StateFailed, shproxy.StateStopping,
}

// serverCollector collects the metrics of all servers.
type serverCollector func() []adminServer

// Describe sends what Collect can send.
func (serverCollector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range serverMetrics {
		to <- m.desc
	}
	for _, d := range []*prometheus.Desc{stateDesc, callsDesc, durationDesc, bytesDesc} {
		to <- d
	}
}

// Collect asks every server for its status.
func (servers serverCollector) Collect(to chan<- prometheus.Metric) {
	for _, server := range servers() {
		status := server.Proxy.Status()
		status.Name = server.Name
		collect(&status, to)
	}
}

func collect(s *shproxy.Status, to chan<- prometheus.Metric) {
	server := strings.ToValidUTF8(s.Name, "\ufffd")
	for _, m := range serverMetrics {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), server)
	}
	for _, state := range states {
		is := 0.0
		if s.State == state {
			is = 1
		}
		to <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, is, server, string(state))
	}
	to <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(s.BytesToServer), server, "to_server")
	to <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(s.BytesToClients), server, "to_clients")
	for _, m := range s.Methods {
		for outcome, n := range m.Outcomes {
			to <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, float64(n), server, m.Method, outcome)
		}
		buckets := make(map[float64]uint64, len(m.Latency.Buckets))
		for _, b := range m.Latency.Buckets {
			buckets[b.Bound] = uint64(b.Count)
		}
		to <- prometheus.MustNewConstHistogram(durationDesc, uint64(m.Latency.Count), m.Latency.Sum, buckets, server, m.Method)
	}
}
