// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestProbes(t *testing.T) {
	for _, test := range []struct {
		name          string
		stopping      bool
		err           error
		health, ready string
	}{
		{"ok", false, nil, `200 {"status":"ok"}`, `200 {"status":"ok"}`},
		{"failed", false, errors.New("no\nstore"), `200 {"status":"ok"}`, `503 {"status":"failed","error":"no store"}`},
		{"stopping", true, nil, `200 {"status":"stopping"}`, `503 {"status":"stopping"}`},
	} {
		var stopping atomic.Bool
		stopping.Store(test.stopping)
		p := &service.Probes{Stopping: &stopping, Check: func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a check may take for ever")
			}
			return test.err
		}}
		for handler, want := range map[*http.HandlerFunc]string{
			ptr(p.Health): test.health,
			ptr(p.Ready):  test.ready,
		} {
			rec := httptest.NewRecorder()
			(*handler)(rec, httptest.NewRequest(http.MethodGet, "/", nil))
			status, body, _ := strings.Cut(want, " ")
			if got := strings.TrimSpace(rec.Body.String()); got != body || http.StatusText(rec.Code) == "" || status != rec.Result().Status[:3] {
				t.Errorf("%s: %d %s, want %s", test.name, rec.Code, got, want)
			}
		}
	}
}

func ptr(f func(http.ResponseWriter, *http.Request)) *http.HandlerFunc {
	h := http.HandlerFunc(f)
	return &h
}
