// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// slowServer answers after a while, with a status.
type slowServer struct {
	takes  time.Duration
	status int
}

func (s *slowServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if !sleep(r.Context(), s.takes) {
		return nil, context.Cause(r.Context())
	}
	return &http.Response{StatusCode: s.status, Body: http.NoBody, Request: r}, nil
}

func TestDeadlineDoesNotCountTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slowServer{}
		client := &deadlineTransport{server}
		parent, cancel := context.WithCancel(t.Context())
		defer cancel()
		ctx, limit := withDeadline(parent, 10*time.Second)
		do := func(takes time.Duration, status int) error {
			server.takes, server.status = takes, status
			_, err := client.RoundTrip((&http.Request{Method: http.MethodGet}).WithContext(ctx))
			return err
		}
		time.Sleep(time.Hour) // nothing was asked yet
		if err := do(4*time.Second, 401); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // a person logs in
		if err := do(4*time.Second, 403); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if err := do(1*time.Second, 200); err != nil {
			t.Fatal(err)
		}
		limit.stop()
		time.Sleep(time.Hour)
		began := time.Now()
		if err := do(2*time.Second, 200); !errors.Is(err, errTooSlow) || time.Since(began) != time.Second {
			t.Errorf("%v after %s, want %v after the second that was left", err, time.Since(began), errTooSlow)
		}
	})
}
