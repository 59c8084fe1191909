// SPDX-License-Identifier: Apache-2.0

// Package service is what programs that serve have in common: the signals that
// stop them or have them read their files again, what systemd wants to know of
// them, the log, with an id for each request, the count of their HTTP requests,
// and the address where operators and monitors look: probes of their health,
// status and metrics, with the guard of an address that is for this machine alone.
//
//	signals, done := service.WatchSignals(signal.Notify, signal.Stop)
//	defer done()
//	operators := service.Admin{
//		Program: "example", Version: "v1.0.0", Metrics: writeMetrics,
//		Probes: &service.Probes{Stopping: new(atomic.Bool), Check: canWork},
//	}
//	go http.ListenAndServe("127.0.0.1:9090", operators.Handler())
//	<-signals.Stop.Done()
//
// It is made for the commands of this project, and changes with them.
package service
