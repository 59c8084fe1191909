// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// The page tells of every part, to programs as well, and not to web pages of
// others.
func TestStatus(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	g, err := start(ctx, &options{
		addr: "127.0.0.1:0", data: t.TempDir(), logger: slog.New(slog.DiscardHandler),
		servers: []wrapped{{name: "demo", command: exe, args: []string{demoServerArg}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close(ctx)
	get := func(path, host, accept string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	code, text := get("/status", "", "application/json")
	var status struct {
		Status string
		Facts  []service.Fact
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil || code != 200 || status.Status != "ok" {
		t.Fatal(code, text, err)
	}
	values := map[string]string{}
	for _, f := range status.Facts {
		values[f.Name] = f.Value
	}
	if values["demo"] != "idle" || values["demo: sessions"] != "0" || values["fetch: pages in flight"] != "0" {
		t.Error(values)
	}
	for path, want := range map[string]int{"/status": 200, "/readyz": 200, "/healthz": 200} {
		if code, text := get(path, "", "text/html"); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
		if code, _ := get(path, "evil.example", "text/html"); code != 403 {
			t.Errorf("%s for a foreign name: %d", path, code)
		}
	}
}
