// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"io"
	"net/http"
	"testing"
)

// A server that goes lets calls end, takes no others, and ends what is kept
// open only then.
func TestDrain(t *testing.T) {
	began, answer := make(chan struct{}, 2), make(chan struct{})
	here := offer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			began <- struct{}{}
			<-r.Context().Done()
			return
		}
		began <- struct{}{}
		<-answer
		_, _ = io.WriteString(w, "done")
	}, nil)
	s := here.Config.Handler.(*Server)

	ended := make(chan error, 1)
	go func() {
		resp, err := http.Get(here.URL)
		if err == nil {
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
		}
		ended <- err
	}()
	<-began
	called := make(chan string, 1)
	go func() {
		_, text := do(t, http.MethodPost, here.URL, "{}")
		called <- text
	}()
	<-began

	late, cancel := context.WithCancel(t.Context())
	cancel()
	s.Drain(late) // does not wait longer than it may
	if resp, _ := do(t, http.MethodPost, here.URL, "{}"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request while draining: %s, want 503", resp.Status)
	}
	drained := make(chan struct{})
	go func() {
		s.Drain(context.Background())
		close(drained)
	}()
	select {
	case <-drained:
		t.Error("drained while a call is open")
	default:
	}
	close(answer)
	<-drained
	if text := <-called; text != "done" {
		t.Errorf("the call in flight got %q", text)
	}
	s.Close()
	if err := <-ended; err != nil {
		t.Errorf("the stream ended with %v, want its regular end", err)
	}
}

// What is left when there is no more time is told so.
func TestClose(t *testing.T) {
	began := make(chan struct{})
	here := offer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // so that the end of the connection is noticed
		close(began)
		<-r.Context().Done()
	}, nil)
	go func() {
		<-began
		here.Config.Handler.(*Server).Close()
	}()
	if resp, text := do(t, http.MethodPost, here.URL, "{}"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a call that was cut: %s %s, want 503", resp.Status, text)
	}
}
