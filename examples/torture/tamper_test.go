// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// A tamperer spoils events on their way to the client: it is the bridge that
// shproxy must not be.
type tamperer struct {
	http.ResponseWriter
	buffer []byte   // an event that is not complete
	events [][]byte // with progress, that were to pass
	spoil  func(past [][]byte, event []byte) [][]byte
}

func (w *tamperer) Write(b []byte) (int, error) {
	if w.Header().Get("Content-Type") != sse.ContentType {
		return w.ResponseWriter.Write(b)
	}
	w.buffer = append(w.buffer, b...)
	if !bytes.HasSuffix(w.buffer, []byte("\n\n")) {
		return len(b), nil
	}
	event := w.buffer
	w.buffer = nil
	pass := [][]byte{event}
	if bytes.Contains(event, []byte("notifications/progress")) {
		pass = w.spoil(w.events, event)
		w.events = append(w.events, event)
	}
	for _, e := range pass {
		if _, err := w.ResponseWriter.Write(e); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (w *tamperer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestTampering shows that a client finds what a bad bridge does to messages.
func TestTampering(t *testing.T) {
	var mu sync.Mutex
	var elsewhere []byte // an event of some other session
	tests := []struct {
		want  string
		spoil func(past [][]byte, event []byte) [][]byte
	}{
		{"", func(_ [][]byte, event []byte) [][]byte { return [][]byte{event} }},
		{badLost, func(past [][]byte, event []byte) [][]byte {
			if len(past) == 2 {
				return nil
			}
			return [][]byte{event}
		}},
		{badDuplicated, func(past [][]byte, event []byte) [][]byte {
			if len(past) == 2 {
				return [][]byte{event, event}
			}
			return [][]byte{event}
		}},
		{badReordered, func(past [][]byte, event []byte) [][]byte {
			switch len(past) {
			case 1:
				return nil
			case 2:
				return [][]byte{event, past[1]}
			}
			return [][]byte{event}
		}},
		{badMisrouted, func(_ [][]byte, event []byte) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			event, elsewhere = elsewhere, event
			if event == nil {
				return nil
			}
			return [][]byte{event}
		}},
	}
	for _, test := range tests {
		t.Run(cmp.Or(test.want, "not at all"), func(t *testing.T) {
			p, err := shproxy.New(shproxy.Server{Command: builtServer(t), Args: []string{roleServer, "torture-tamper"}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p.ServeHTTP(&tamperer{ResponseWriter: w, spoil: test.spoil}, r)
			}))
			defer ts.Close()
			defer func() {
				if err := p.Shutdown(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			}()
			l := &load{
				torture: &torture{opts: &options{}, counts: make(map[string]int)}, proxy: &proxy{base: ts.URL},
				phase: &phaseResult{Name: "tamper"}, mix: allKinds, idle: idleTimeout, stats: newStats(),
			}
			for range 2 { // two clients, one after the other
				l.live(t.Context(), &plan{number: 1, kind: survivor, version: "2025-11-25", delete: true, rounds: []round{{
					calls: []*callPlan{{Number: 1, ID: "1", Token: "1", Script: script{{Do: doProgress, N: 5, Pause: 2}}}},
				}}})
			}
			switch {
			case test.want == "" && l.total() > 0:
				t.Errorf("found %v", l.violations)
			case test.want != "" && l.counts[test.want] == 0:
				t.Errorf("found %v, want something %s", l.violations, test.want)
			}
			for _, v := range l.violations {
				t.Log(v)
			}
		})
	}
}
