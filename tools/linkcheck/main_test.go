// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.md":              "[a](https://go.dev/doc#top) [b](https://mcp.example.com/mcp) <https://go.dev/blog> [c](b.md)",
		"docs/b.md":         "[again](https://go.dev/doc) [local](http://127.0.0.1:8080/mcp)",
		"testdata/no.md":    "[x](https://nowhere.dev)",
		"node_modules/n.md": "[x](https://nowhere.dev)",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	links, err := collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 2 || len(links["https://go.dev/doc"]) != 2 || len(links["https://go.dev/blog"]) != 1 {
		t.Errorf("links: %v", links)
	}
}

func TestCheck(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/robots-not-welcome":
			w.WriteHeader(http.StatusForbidden)
		case "/tired":
			if asked.Add(1) == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
		case "/moved":
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		}
	}))
	links := map[string][]string{"http://127.0.0.1:1/": {"z.md"}}
	for _, path := range []string{"/there", "/moved", "/gone", "/tired", "/robots-not-welcome"} {
		links[server.URL+path] = []string{"a.md"}
	}
	c := newChecker()
	c.pause = 0
	var out strings.Builder
	err := c.all(t.Context(), links, &out)
	server.Close()
	if err == nil || err.Error() != "2 links lead nowhere" {
		t.Errorf("error: %v", err)
	}
	for _, want := range []string{"/gone: Not Found (a.md)", "/robots-not-welcome: status 403, which says nothing (a.md)", "http://127.0.0.1:1/: ", "6 links, 2 lead nowhere"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
	for _, not := range []string{"/there", "/moved", "/tired"} {
		if strings.Contains(out.String(), not+":") {
			t.Errorf("%s is complained about:\n%s", not, &out)
		}
	}
}
