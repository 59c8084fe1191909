// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// readyTime is how long a program may take to show that it can work.
const readyTime = 5 * time.Second

// Probes answer those who ask whether a program runs and whether it can work,
// such as Kubernetes: in JSON, with a member status that is ok, stopping or
// failed.
type Probes struct {
	// Stopping says that the program comes to its end. Required.
	Stopping *atomic.Bool
	// Check returns why the program cannot work; nil if it can. It has five
	// seconds. Required.
	Check func(ctx context.Context) error
}

// condition is an answer.
type condition struct {
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

// Health tells that the process is up, with status 200, also while it comes to
// its end: whoever restarts it for that would cut requests off.
func (p *Probes) Health(w http.ResponseWriter, _ *http.Request) {
	status := "ok"
	if p.Stopping.Load() {
		status = "stopping"
	}
	tell(w, http.StatusOK, condition{Status: status})
}

// Ready tells whether requests should be sent here: 200, or 503 with the reason
// in the member error.
func (p *Probes) Ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	answer, code := p.state(ctx), http.StatusOK
	if answer.Status != "ok" {
		code = http.StatusServiceUnavailable
	}
	tell(w, code, answer)
}

// state is whether the program can work.
func (p *Probes) state(ctx context.Context) condition {
	if p.Stopping.Load() {
		return condition{Status: "stopping"}
	}
	if err := p.Check(ctx); err != nil {
		return condition{Status: "failed", Error: strings.Join(strings.Fields(err.Error()), " ")}
	}
	return condition{Status: "ok"}
}

func tell(w http.ResponseWriter, status int, answer condition) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may be gone
}
