// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

func TestClient(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") != "oauthdyn" || r.Header.Get("Accept") == "" {
			t.Errorf("header %v", r.Header)
		}
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("/exactly", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxBody)) })
	mux.HandleFunc("/longer", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxBody+1)) })
	mux.Handle("/here", http.RedirectHandler("/ok", http.StatusFound))
	mux.Handle("/there", http.RedirectHandler(other.URL, http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	client := NewClient(nil)
	for _, test := range []struct {
		method, path string
		size         int // -1: an error
	}{
		{"GET", "/ok", 2}, {"GET", "/exactly", maxBody}, {"GET", "/longer", -1},
		{"GET", "/here", 2}, {"GET", "/there", -1}, {"GET", "/round", -1}, {"POST", "/ok", 2}, {"POST", "/here", -1},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, s.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		size := -1
		if res, err := client.Do(req); err == nil {
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err == nil {
				size = len(body)
			}
		}
		if size != test.size {
			t.Errorf("%s %s: %d bytes, want %d", test.method, test.path, size, test.size)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for raw, ok := range map[string]bool{
		"https://login.example":           true,
		"https://login.example/realms/a/": true,
		"http://127.0.0.1:8080":           true,
		"http://[::1]:8080":               true,
		"http://localhost":                true,
		"http://login.example":            false,
		"http://localhost.evil.example":   false,
		"http://127.0.0.1.nip.io":         false,
		"https://user@login.example":      false,
		"https://login.example?x":         false,
		"https://login.example#":          false,
		"https://":                        false,
		"login.example":                   false,
		"javascript:alert(1)":             false,
		"":                                false,
	} {
		if _, err := CheckURL(raw); (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// An error holds neither what the token endpoint answered, nor more than a line.
func TestBrief(t *testing.T) {
	res := &http.Response{Status: "400 Bad Request"}
	err := Brief(&oauth2.RetrieveError{Response: res, Body: []byte(`{"access_token":"secret"}`), ErrorCode: "invalid_grant", ErrorDescription: "no\nway"})
	if err.Error() != "token endpoint: 400 Bad Request invalid_grant no way" {
		t.Errorf("%v", err)
	}
	long := Brief(errors.New(strings.Repeat("ä\x1b[31m\u202e ", 1000))).Error()
	if len(long) > maxText+5 || strings.ContainsAny(long, "\x1b\u202e\n") || !strings.HasSuffix(long, "…") {
		t.Errorf("%q", long)
	}
}
