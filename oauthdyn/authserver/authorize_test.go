// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

func TestA7S1S6S8S29ErrorPagesInsteadOfRedirects(t *testing.T) {
	h := newHarness(t, nil)
	one := h.public()
	two := h.register(`{"redirect_uris":["https://a.example/","https://b.example/"],"token_endpoint_auth_method":"none"}`)
	good := h.authorizeURL(one.ClientID)
	const xss = `"><script>alert(1)</script>`
	for name, address := range map[string]string{
		"no client":            h.authorizeURL(""),
		"unknown client":       h.authorizeURL("client_x"),
		"S29 script as client": h.authorizeURL(xss),
		"client twice":         good + "&client_id=" + one.ClientID,
		"redirect twice":       good + "&redirect_uri=" + url.QueryEscape(callback),
		"foreign redirect":     h.authorizeURL(one.ClientID, "redirect_uri", "https://evil.example/"),
		"S29 script redirect":  h.authorizeURL(one.ClientID, "redirect_uri", "https://evil.example/"+xss),
		"prefix":               h.authorizeURL(one.ClientID, "redirect_uri", callback+"/../x"),
		"other query":          h.authorizeURL(one.ClientID, "redirect_uri", callback+"?x=1"),
		"other case":           h.authorizeURL(one.ClientID, "redirect_uri", strings.ToUpper(callback)),
		"javascript":           h.authorizeURL(one.ClientID, "redirect_uri", "javascript:alert(1)"),
		"S8 which of two":      h.authorizeURL(two.ClientID, "redirect_uri", ""),
		"malformed":            h.Issuer + "/authorize?client_id=%zz",
		"long":                 good + "&x=" + strings.Repeat("x", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			res, body := h.page(newRequest(t, "GET", address, ""))
			if res.StatusCode != 400 || res.Header.Get("Location") != "" {
				t.Errorf("%s, Location %q", res.Status, res.Header.Get("Location"))
			}
			checkPage(t, res, body)
		})
	}
	if res, body := h.page(newRequest(t, "PUT", good, "")); res.StatusCode != 400 {
		t.Errorf("PUT: %s %s", res.Status, body)
	}
}

// checkPage checks what holds for each page: S16, S22, S29.
func checkPage(t *testing.T, res *http.Response, body string) {
	t.Helper()
	h := res.Header
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("CSP %q lacks %s", csp, want)
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{"<script", "<img", "<link", "<iframe", "url(", "@import", "onclick"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
}

func TestA4S9S10S11S13S14S15ErrorRedirects(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a"}})
	client := h.register(`{"redirect_uris":["https://client.example/callback?kept=1"],"token_endpoint_auth_method":"none"}`).ClientID
	edits := func(more ...string) []string {
		return append([]string{"redirect_uri", "https://client.example/callback?kept=1"}, more...)
	}
	for _, test := range []struct {
		name, extra string
		edits       []string
		code        string
	}{
		{"S9 no challenge", "", []string{"code_challenge", ""}, oauthdyn.CodeInvalidRequest},
		{"S9 no method", "", []string{"code_challenge_method", ""}, oauthdyn.CodeInvalidRequest},
		{"S9 plain", "", []string{"code_challenge_method", "plain"}, oauthdyn.CodeInvalidRequest},
		{"S9 short challenge", "", []string{"code_challenge", "abc"}, oauthdyn.CodeInvalidRequest},
		{"S9 bad challenge", "", []string{"code_challenge", strings.Repeat("+", 43)}, oauthdyn.CodeInvalidRequest},
		{"S10 no response type", "", []string{"response_type", ""}, oauthdyn.CodeInvalidRequest},
		{"S10 token", "", []string{"response_type", "token"}, oauthdyn.CodeUnsupportedResponseType},
		{"S10 hybrid", "", []string{"response_type", "code id_token"}, oauthdyn.CodeUnsupportedResponseType},
		{"S10 part of code", "", []string{"response_type", "co"}, oauthdyn.CodeUnsupportedResponseType},
		{"S10 fragment", "", []string{"response_mode", "fragment"}, oauthdyn.CodeInvalidRequest},
		{"S10 jwt", "", []string{"response_mode", "query.jwt"}, oauthdyn.CodeInvalidRequest},
		{"S13 fragment", "", []string{"resource", h.ResourceURL + "#x"}, oauthdyn.CodeInvalidTarget},
		{"S13 relative", "", []string{"resource", "/mcp"}, oauthdyn.CodeInvalidTarget},
		{"S13 unknown", "", []string{"resource", "https://other.example/mcp"}, oauthdyn.CodeInvalidTarget},
		{"S13 one of two unknown", "&resource=https://other.example/mcp", nil, oauthdyn.CodeInvalidTarget},
		{"S13 too many", strings.Repeat("&resource="+url.QueryEscape(h.ResourceURL), 9), nil, oauthdyn.CodeInvalidTarget},
		{"S14 no known scope", "", []string{"scope", "admin"}, oauthdyn.CodeInvalidScope},
		{"S15 request", "", []string{"request", "e30."}, "request_not_supported"},
		{"S15 request_uri", "", []string{"request_uri", "https://evil.example/"}, "request_uri_not_supported"},
		{"repeated", "&scope=a&scope=b", nil, oauthdyn.CodeInvalidRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, _ := h.page(newRequest(t, "GET", h.authorizeURL(client, edits(test.edits...)...)+test.extra, ""))
			q := redirected(t, res)
			if q.Get("error") != test.code || q.Get("error_description") == "" || q.Get("state") != "the state" ||
				q.Get("iss") != h.Issuer || q.Get("kept") != "1" || q.Has("code") {
				t.Errorf("%v, want %s", q, test.code)
			}
		})
	}
}

// redirected returns the parameters of a redirect to the client.
func redirected(t *testing.T, res *http.Response) url.Values {
	t.Helper()
	at, err := res.Location()
	if err != nil || at.Host != "client.example" || at.Path != "/callback" || res.StatusCode != 302 && res.StatusCode != 303 {
		t.Fatalf("%s, Location %q", res.Status, res.Header.Get("Location"))
	}
	for name, values := range at.Query() {
		if len(values) > 1 {
			t.Errorf("%s appears %d times", name, len(values))
		}
	}
	return at.Query()
}

func TestA4S11S12State(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public().ClientID
	for name, state := range map[string]string{
		"4 KB":    strings.Repeat("s", 4096),
		"hostile": "a&b=c;d#e%00%0d%0a\r\n\"<>ä\x00\xff ",
		"absent":  "",
	} {
		at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client, "state", state))
		if err != nil {
			t.Fatal(err)
		}
		q := at.Query()
		if q.Get("state") != state || q.Has("state") != (state != "") || len(q["code"]) != 1 || len(q["iss"]) != 1 || q.Get("iss") != h.Issuer {
			t.Errorf("%s: %v", name, q)
		}
	}
	res, _ := h.page(newRequest(t, "GET", h.authorizeURL(client, "state", strings.Repeat("s", 4097)), ""))
	if q := redirected(t, res); q.Get("error") != oauthdyn.CodeInvalidRequest || q.Has("state") {
		t.Errorf("state of more than 4 KB: %v", q)
	}
}

func TestS13S14WhatIsGranted(t *testing.T) { // clients of 2025-03-26
	h := newHarness(t, &oauthdyntest.Options{
		Scopes:    []string{"a", "b"},
		Resources: []authserver.Resource{{URI: "https://second.example/mcp", Scopes: []string{"b", "c"}}},
	})
	client := h.public().ClientID
	for _, test := range []struct {
		name          string
		edits         []string
		extra, scopes string
		audience      []string
	}{
		{"no scope: all", nil, "", "a b", []string{h.ResourceURL}},
		{"no resource: the first", []string{"resource", ""}, "", "a b", []string{h.ResourceURL}},
		{"some", []string{"scope", "b"}, "", "b", []string{h.ResourceURL}},
		{"cut", []string{"scope", "b c admin b"}, "", "b", []string{h.ResourceURL}},
		{"offline", []string{"scope", "a offline_access"}, "", "a offline_access", []string{h.ResourceURL}},
		{"slash", []string{"resource", h.ResourceURL + "/"}, "", "a b", []string{h.ResourceURL}},
		{"second", []string{"resource", "https://SECOND.example/mcp"}, "", "b c", []string{"https://second.example/mcp"}},
		{"both", nil, "&resource=https://second.example/mcp", "a b c", []string{h.ResourceURL, "https://second.example/mcp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client, test.edits...)+test.extra)
			if err != nil {
				t.Fatal(err)
			}
			reply := h.token(h.redeemForm(client, at.Query().Get("code"), "resource", ""))
			if reply.Status != 200 || reply.Scope != test.scopes {
				t.Fatalf("%d %v, scopes %q, want %q", reply.Status, &reply.Error, reply.Scope, test.scopes)
			}
			if got := audience(t, reply.AccessToken); strings.Join(got, " ") != strings.Join(test.audience, " ") {
				t.Errorf("audience %v, want %v", got, test.audience)
			}
		})
	}
}

func TestA6S5LoopbackPortIsFree(t *testing.T) { // RFC 8252 section 7.3
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}`).ClientID
	const actual = "http://127.0.0.1:54321/cb"
	code := h.code(client, "redirect_uri", actual)
	if reply := h.token(h.redeemForm(client, code, "redirect_uri", "http://127.0.0.1:9/cb")); reply.Code != oauthdyn.CodeInvalidGrant {
		t.Errorf("other port at the token endpoint: %d %v", reply.Status, &reply.Error)
	}
	if reply := h.token(h.redeemForm(client, code, "redirect_uri", actual)); reply.Status != 200 {
		t.Errorf("%d %v", reply.Status, &reply.Error)
	}
}

func TestS8OmittedRedirectURI(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public().ClientID
	b := h.Browser()
	at, err := b.Authorize(t.Context(), h.authorizeURL(client, "redirect_uri", ""))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(at.String(), callback+"?") {
		t.Errorf("redirected to %s", at)
	}
	if reply := h.token(h.redeemForm(client, at.Query().Get("code"), "redirect_uri", "")); reply.Status != 200 {
		t.Errorf("%d %v", reply.Status, &reply.Error)
	}
}

func TestEmptyParametersAreOmitted(t *testing.T) { // RFC 6749 sections 3.1 and 3.2
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a"}})
	client := h.public().ClientID
	const empty = "&resource=&scope=&response_mode=&request=&request_uri=&redirect_uri=&state="
	at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client, "resource", "", "redirect_uri", "", "state", "")+empty)
	if err != nil {
		t.Fatal(err)
	}
	if !at.Query().Has("code") || at.Query().Has("state") {
		t.Fatalf("redirected to %s", at)
	}
	form := h.redeemForm(client, at.Query().Get("code"))
	form["resource"], form["scope"], form["redirect_uri"] = []string{""}, []string{""}, []string{""}
	if reply := h.token(form); reply.Status != 200 || reply.Scope != "a" {
		t.Errorf("token: %d %v, scopes %q", reply.Status, &reply.Error, reply.Scope)
	}
	form = h.redeemForm(client, h.code(client))
	form["client_id"] = []string{"", client}
	if reply := h.token(form); reply.Code != oauthdyn.CodeInvalidRequest { // still repeated
		t.Errorf("repeated: %d %v", reply.Status, &reply.Error)
	}
}

func TestAuthorizeByPost(t *testing.T) {
	h := newHarness(t, nil)
	address, query, _ := strings.Cut(h.authorizeURL(h.public().ClientID), "?")
	req := newRequest(t, "POST", address+"?client_id=ignored", query)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, body := h.page(req)
	if res.StatusCode != 200 || !strings.Contains(body, "Test client") {
		t.Errorf("%s %s", res.Status, body)
	}
}
