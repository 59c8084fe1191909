// SPDX-License-Identifier: Apache-2.0

package oauthdyntest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// TestOurClient is the library's own client against the library's own servers.
func TestOurClient(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{Scopes: []string{"mcp"}})
	client, err := oauthdyn.New(oauthdyn.Config{Resource: srv.ResourceURL, ClientName: "Our client", OpenURL: srv.Browser().Open})
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.HTTPClient().Get(srv.ResourceURL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hello alice\n" {
		t.Errorf("%s %q %v", res.Status, body, err)
	}
}

// authorizeURL registers a client and returns its authorization URL.
func authorizeURL(t *testing.T, srv *oauthdyntest.Server, redirectURI string) string {
	t.Helper()
	res, err := http.Post(srv.Issuer+"/register", "application/json", strings.NewReader(`{"redirect_uris":["`+redirectURI+`"],"token_endpoint_auth_method":"none"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Split(strings.TrimPrefix(string(body), `{"client_id":"`), `"`)[0]
	return srv.Issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {redirectURI},
		"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}.Encode()
}

func TestBrowser(t *testing.T) {
	srv := oauthdyntest.New(t, nil)
	var got url.Values
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got = r.URL.Query(); r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer callback.Close()

	if err := srv.Browser().Open(t.Context(), authorizeURL(t, srv, callback.URL+"/cb")); err != nil || !got.Has("code") {
		t.Errorf("callback got %v; %v", got, err)
	}
	b := srv.Browser()
	b.Deny = true
	if err := b.Open(t.Context(), authorizeURL(t, srv, callback.URL+"/cb")); err != nil || got.Get("error") != "access_denied" {
		t.Errorf("denied: callback got %v; %v", got, err)
	}

	for _, test := range []struct {
		name, url, password, want string
	}{
		{"wrong password", authorizeURL(t, srv, callback.URL+"/cb"), "wrong password", "do not fit together"},
		{"error page", srv.Issuer + "/authorize?client_id=x", oauthdyntest.Password, "the app is not registered here"},
		{"callback refuses", authorizeURL(t, srv, callback.URL+"/broken"), oauthdyntest.Password, "418"},
		{"no page", srv.Issuer + "/jwks", oauthdyntest.Password, "no form on the page"},
		{"no server", "http://127.0.0.1:1/authorize", oauthdyntest.Password, "refused"},
		{"not a URL", "http://%zz", oauthdyntest.Password, "not a URL"},
	} {
		b := srv.Browser()
		b.Password = test.password
		err := b.Open(t.Context(), test.url)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(test.want)) || strings.Contains(err.Error(), "code=") {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}
