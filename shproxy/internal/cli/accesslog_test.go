// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestAccessLog(t *testing.T) {
	var text bytes.Buffer
	log, _, err := newLogger("debug", "text", &text, environment{lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	h := identifyRequests(named("time", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.InfoContext(r.Context(), "inside")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "secret body")
		if http.NewResponseController(w).Flush() != nil {
			t.Error("the writer cannot be flushed")
		}
	})), log)
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

func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	var text bytes.Buffer
	log, done, err := newLogger("WARNING", "json", &text, environment{lookup: func(v string) (string, bool) { return name, v == "LOG_FILE" }})
	if err != nil {
		t.Fatal(err)
	}
	log.With("a", 1).WithGroup("g").Warn("hello", "b", 2)
	log.Info("not this")
	done()
	data, err := os.ReadFile(name)
	if err != nil || string(data) != text.String() || strings.Count(text.String(), "\n") != 1 {
		t.Errorf("file %q, stderr %q, %v", data, text.String(), err)
	}
	if !strings.Contains(text.String(), `"a":1,"g":{"b":2}`) {
		t.Errorf("attributes: %s", text.String())
	}
}
