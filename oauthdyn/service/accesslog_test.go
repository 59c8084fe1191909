// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

func TestAccessLog(t *testing.T) {
	var text bytes.Buffer
	log, _, err := service.NewLogger(&text, service.LoggerOptions{Level: "debug", Format: "text"})
	if err != nil {
		t.Fatal(err)
	}
	h := service.AccessLog(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service.SetLabel(r.Context(), "time")
		log.InfoContext(r.Context(), "inside")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "secret body")
		if http.NewResponseController(w).Flush() != nil {
			t.Error("the writer cannot be flushed")
		}
	}), log, "server")
	for _, test := range []struct{ given, trace, want string }{
		{"req-1:2", "", "req-1:2"},
		{"bad id\x1b", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"},
		{strings.Repeat("x", 200), "nonsense", `[a-z0-9]{16}`},
	} {
		text.Reset()
		r := httptest.NewRequest("POST", "/time/mcp?token=secret", strings.NewReader("secret"))
		r.Header.Set("Authorization", "Bearer secret")
		r.Header.Set("X-Request-Id", test.given)
		r.Header.Set("Traceparent", test.trace)
		h.ServeHTTP(httptest.NewRecorder(), r)
		want := `^time=\S+ level=INFO msg=inside request_id=` + test.want + "\n" +
			`time=\S+ level=DEBUG msg=request method=POST path=/time/mcp server=time status=202 bytes=11 duration=\S+ request_id=` + test.want + "\n$"
		if !regexp.MustCompile(want).MatchString(text.String()) || strings.Contains(text.String(), "secret") {
			t.Errorf("%s", text.String())
		}
	}
}

// Without a label there is no attribute for it, and without level debug no line.
func TestAccessLogPlain(t *testing.T) {
	for level, want := range map[string]string{
		"debug": `^time=\S+ level=DEBUG msg=request method=GET path=/ status=0 bytes=0 duration=\S+ request_id=a\n$`,
		"info":  `^$`,
	} {
		var text bytes.Buffer
		log, _, err := service.NewLogger(&text, service.LoggerOptions{Level: level, Format: "text"})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", "a")
		service.AccessLog(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			service.SetLabel(r.Context(), "unseen")
		}), log, "").ServeHTTP(httptest.NewRecorder(), r)
		if !regexp.MustCompile(want).MatchString(text.String()) {
			t.Errorf("%s: %q", level, text.String())
		}
	}
}
