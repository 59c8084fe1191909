// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAuthServerSmoke gets real tokens, with few calls, from what needs only Go.
func TestAuthServerSmoke(t *testing.T) {
	smoke(t, authServerLoads, []string{"-auth-server"}, boltName)
}

func TestAuthServerMissing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-auth-server", "-rounds", "1", "-peers", t.TempDir(), "-systems", "oidc-provider"}
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	if want := "| oidc-provider 8.8.1, in memory | not installed: run with -install |"; !strings.Contains(stdout.String(), want) {
		t.Errorf("no %q in\n%s", want, stdout.String())
	}
}

// TestWrongTokens shows that a reply counts only if it brings what was asked for.
func TestWrongTokens(t *testing.T) {
	for _, test := range []struct {
		load   string
		status int
		body   string
		want   string
	}{
		{loadRefresh, http.StatusOK, `{"access_token":"a.b.c","refresh_token":"next"}`, ""},
		{loadRefresh, http.StatusOK, `{"access_token":"a.b.c","refresh_token":"first"}`, "the refresh token was not exchanged"},
		{loadRefresh, http.StatusOK, `{"access_token":"opaque","refresh_token":"next"}`, "not a signed one"},
		{loadRefresh, http.StatusBadRequest, `{"error":"invalid_grant"}`, "HTTP status 400"},
		{loadCredentials, http.StatusOK, `{"access_token":"a.b.c"}`, ""},
		{loadCredentials, http.StatusOK, `{}`, "not a signed one"},
		{loadRegister, http.StatusCreated, `{"client_id":"a"}`, ""},
		{loadRegister, http.StatusCreated, `{}`, "no client_id"},
		{loadRegister, http.StatusOK, `{"client_id":"a"}`, "HTTP status 200"},
		{"other", http.StatusOK, `{}`, `no load "other"`},
	} {
		ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		s := &tokenSession{address: ts.Listener.Addr().String(), endpoints: endpoints{"/token", "/register"}, client: "a", refreshToken: "first"}
		lanes, err := s.lanes(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		seen, _ := drive(t.Context(), lanes, &plan{load: test.load, limit: 1, deadline: time.Now().Add(time.Minute)})
		if (seen.err == nil) != (test.want == "") || seen.err != nil && !strings.Contains(seen.err.Error(), test.want) {
			t.Errorf("%s, %d %s: error %v, want %q", test.load, test.status, test.body, seen.err, test.want)
		}
		closeLanes(lanes)
		ts.Close()
	}
}
