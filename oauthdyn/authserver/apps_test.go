// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// A person sees what was allowed, and takes one of it back: tokens die, and the
// app has to ask again. The other one goes on.
func TestS20ConnectedApps(t *testing.T) {
	h := newPagesHarness(t, nil)
	browser := h.Browser()
	register := func(name string) string {
		return h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","client_name":"` + name + `"}`).ClientID
	}
	kept, ended := register("Kept app"), register("Ended app")
	keptTokens, endedTokens := h.grantAt(browser, kept), h.grantAt(browser, ended)
	h.grantTo("App of Bob", "bob", bobsPassword)

	b := h.tab()
	page := b.enter("/apps", oauthdyntest.Username, oauthdyntest.Password)
	for _, want := range []string{"alice", "Kept app", "Ended app", "unverified", "client.example", "Read your notes", "mcp:write", "Test server", "UTC", "not since then"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "App of Bob") {
		t.Error("the page shows an app of somebody else")
	}
	for _, secret := range []string{endedTokens.RefreshToken, endedTokens.AccessToken, strings.Split(endedTokens.RefreshToken, ".")[0]} {
		if strings.Contains(page, secret) {
			t.Error("the page holds a part of a token")
		}
	}

	forms := formsWith(t, page, "revoke")
	if len(forms) != 2 {
		t.Fatalf("%d apps can be revoked, want 2", len(forms))
	}
	form := forms[slices.IndexFunc(forms, func(f pageForm) bool { return strings.Contains(f.text, "Ended app") })]
	page = b.submit(form, "revoke")
	if !strings.Contains(page, "lost its access") || strings.Contains(page, "Ended app") || !strings.Contains(page, "Kept app") {
		t.Errorf("after the revocation: %s", page)
	}
	if h.alive(ended, endedTokens) {
		t.Error("the tokens are alive")
	}
	// The other app comes back without a question, this one does not.
	browser.Deny = true
	if at, err := browser.Authorize(t.Context(), h.authorizeURL(kept)); err != nil || !at.Query().Has("code") {
		t.Errorf("the other app is asked about: %v", err)
	}
	if at, err := browser.Authorize(t.Context(), h.authorizeURL(ended)); err != nil || at.Query().Get("error") != "access_denied" {
		t.Errorf("the app comes back without a question: %v", err)
	}
	if !h.alive(kept, keptTokens) {
		t.Error("the other app has lost its access")
	}
	// The same form once more finds nothing.
	if page = b.submit(form, "revoke"); !strings.Contains(page, "ended before") {
		t.Errorf("once more: %s", page)
	}
	// Consent that is given again is remembered again.
	browser.Deny = false
	h.grantAt(browser, ended)
	browser.Deny = true
	if at, err := browser.Authorize(t.Context(), h.authorizeURL(ended)); err != nil || !at.Query().Has("code") {
		t.Errorf("the new consent is forgotten: %v", err)
	}
}

// A code that was not redeemed yet is worth nothing after a revocation.
func TestS20WithdrawalEndsCodes(t *testing.T) {
	h := newPagesHarness(t, nil)
	app, other := h.public().ClientID, h.public().ClientID
	for name, test := range map[string]struct {
		owner store.Owner
		dead  bool
	}{
		"of the person":         {store.Owner{Subject: "local:alice"}, true},
		"of the client":         {store.Owner{ClientID: app}, true},
		"of both":               {store.Owner{Subject: "local:alice", ClientID: app}, true},
		"of another person":     {store.Owner{Subject: "local:bob"}, false},
		"of another client":     {store.Owner{ClientID: other}, false},
		"of another pair":       {store.Owner{Subject: "local:bob", ClientID: app}, false},
		"of another one's pair": {store.Owner{Subject: "local:alice", ClientID: other}, false},
	} {
		code := h.code(app)
		if _, err := h.AuthServer.RevokeGrants(t.Context(), test.owner); err != nil {
			t.Fatal(err)
		}
		if reply := h.token(h.redeemForm(app, code)); (reply.Status == http.StatusOK) == test.dead || test.dead && reply.Code != "invalid_grant" {
			t.Errorf("%s: %d %v", name, reply.Status, &reply.Error)
		}
		if reply := h.token(h.redeemForm(app, h.code(app))); reply.Status != http.StatusOK {
			t.Errorf("after the revocation %s: %d %v", name, reply.Status, &reply.Error)
		}
	}
}

// The same holds for a device that was allowed and has not asked yet; the next
// one connects as ever.
func TestS20WithdrawalEndsDeviceCodes(t *testing.T) {
	h := newDeviceHarness(t)
	client := h.television().ClientID
	allowed := func() string {
		c := h.startDevice(client)
		if err := h.Browser().Enter(t.Context(), c.VerificationURI, c.UserCode); err != nil {
			t.Fatal(err)
		}
		return c.DeviceCode
	}
	before := allowed()
	if _, err := h.AuthServer.RevokeGrants(t.Context(), store.Owner{Subject: "local:alice"}); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.token(pollForm(client, before)), 400, "invalid_grant")
	if reply := h.token(pollForm(client, allowed())); reply.Status != http.StatusOK {
		t.Errorf("the next one: %d %v", reply.Status, &reply.Error)
	}
}

// The page of consent says where it is taken back.
func TestConsentSaysWhereItIsWithdrawn(t *testing.T) {
	h := newPagesHarness(t, nil)
	if _, _, body := h.tab().consentPage(); !strings.Contains(body, `href="`+h.Issuer+`/apps"`) {
		t.Error("no link to the connected apps")
	}
}

// Revocation belongs to the person who has allowed it.
func TestS21RevocationOfForeignGrants(t *testing.T) {
	h := newPagesHarness(t, nil)
	client, tokens := h.grantTo("App of Bob", "bob", bobsPassword)
	h.grantTo("App of Alice", oauthdyntest.Username, oauthdyntest.Password)
	sid, _ := tokenClaims(t, tokens.AccessToken)["sid"].(string)
	if sid == "" {
		t.Fatal("no sid")
	}
	b := h.tab()
	form := formWith(t, b.enter("/apps", oauthdyntest.Username, oauthdyntest.Password), "revoke")
	for _, id := range []string{sid, sid[:20], "", strings.Split(tokens.RefreshToken, ".")[0], "local:bob", "*"} {
		form.fields.Set("grant", id)
		if page := b.submit(form, "revoke"); !strings.Contains(page, "ended before") {
			t.Errorf("%q: %s", id, page)
		}
	}
	// Nor does it help to say who one is.
	all := formWith(t, b.open("/apps"), "revoke-all")
	all.fields.Set("sub", "local:bob")
	all.fields.Set("client_id", client)
	if page := b.submit(all, "revoke-all"); !strings.Contains(page, "No app has access") {
		t.Errorf("revoke all: %s", page)
	}
	if !h.alive(client, tokens) {
		t.Error("the grant of somebody else has ended")
	}
}

func TestS21ForgedRevocation(t *testing.T) {
	h := newPagesHarness(t, nil)
	foreign := h.tab()
	h.grantTo("App of Bob", "bob", bobsPassword)
	foreignForm := formWith(t, foreign.enter("/apps", "bob", bobsPassword), "revoke")
	for _, test := range []struct {
		name    string
		forge   func(b *tab, f pageForm) // the form is valid before
		headers []string
		status  int
	}{
		{"control", func(*tab, pageForm) {}, nil, 303},
		{"same origin", func(*tab, pageForm) {}, []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, 303},
		{"no token", func(_ *tab, f pageForm) { f.fields.Del("csrf") }, nil, 403},
		{"wrong token", func(_ *tab, f pageForm) { f.fields.Set("csrf", strings.Repeat("A", 43)) }, nil, 403},
		{"token of another person", func(_ *tab, f pageForm) { f.fields.Set("csrf", foreignForm.fields.Get("csrf")) }, nil, 403},
		{"token of a signed-out browser", func(_ *tab, f pageForm) {
			_, body := h.tab().get(h.Issuer + "/apps")
			f.fields.Set("csrf", formWith(t, body, "sign-in").fields.Get("csrf"))
		}, nil, 403},
		{"no cookies", func(b *tab, _ pageForm) { *b = *h.tab() }, nil, 403},
		{"cross-site", func(*tab, pageForm) {}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same site", func(*tab, pageForm) {}, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"foreign origin", func(*tab, pageForm) {}, []string{"Origin", "https://evil.example"}, 403},
		{"null origin", func(*tab, pageForm) {}, []string{"Origin", "null"}, 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, tokens := h.grantTo("App", oauthdyntest.Username, oauthdyntest.Password)
			b := h.tab()
			form := formsWith(t, b.enter("/apps", oauthdyntest.Username, oauthdyntest.Password), "revoke")[0]
			test.forge(b, form)
			res, body := b.post("/apps", form.with("revoke"), test.headers...)
			if res.StatusCode != test.status {
				t.Errorf("%s", res.Status)
			}
			if test.status == 403 {
				checkPage(t, res, body)
			}
			if alive := h.alive(client, tokens); alive == (test.status == 303) {
				t.Errorf("%d, and the grant is alive: %v", test.status, alive)
			}
		})
	}
	// A link revokes nothing.
	b := h.tab()
	form := formWith(t, foreign.open("/apps"), "revoke")
	if res, _ := foreign.get(h.Issuer + "/apps?" + form.with("revoke").Encode()); res.StatusCode != 200 {
		t.Errorf("a link: %s", res.Status)
	}
	formWith(t, foreign.open("/apps"), "revoke")
	// Who is not signed in has no form to forge.
	if res, _ := b.post("/apps", form.with("revoke")); res.StatusCode != 403 {
		t.Errorf("nobody: %s", res.Status)
	}
}

// "Revoke all" ends what was shown: an old form does not end what came since.
func TestS21RevokeAllIsNotReplayed(t *testing.T) {
	h := newPagesHarness(t, nil)
	type connected struct {
		client string
		tokens tokenReply
	}
	connect := func() connected {
		client, tokens := h.grantTo("App", oauthdyntest.Username, oauthdyntest.Password)
		return connected{client, tokens}
	}
	first, second := connect(), connect()
	b := h.tab()
	old := formWith(t, b.enter("/apps", oauthdyntest.Username, oauthdyntest.Password), "revoke-all")
	third := connect()
	if page := b.submit(old, "revoke-all"); !strings.Contains(page, "has changed") {
		t.Errorf("an old form: %s", page)
	}
	form := formWith(t, b.open("/apps"), "revoke-all")
	if page := b.submit(form, "revoke-all"); !strings.Contains(page, "No app has access") {
		t.Errorf("revoke all: %s", page)
	}
	for i, c := range []connected{first, second, third} {
		if h.alive(c.client, c.tokens) {
			t.Errorf("app %d is alive", i)
		}
	}
	fourth := connect()
	b.submit(form, "revoke-all")
	if !h.alive(fourth.client, fourth.tokens) {
		t.Error("a form that was sent twice has ended what came in between")
	}
}

func TestS27NamesAmongConnectedApps(t *testing.T) {
	h := newPagesHarness(t, nil)
	for name := range map[string]string{
		`<script>alert(1)</script>`: "", `\"><img src=x onerror=alert(1)>`: "",
		`\u202eevil\u202c \u200bname\u0000`: "", strings.Repeat("x", 10_000): "", `{{.CSRF}}`: "",
	} {
		h.grantTo(name, oauthdyntest.Username, oauthdyntest.Password)
	}
	page := h.tab().enter("/apps", oauthdyntest.Username, oauthdyntest.Password)
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;img src=x", "evil name", strings.Repeat("x", 80) + "…", "{{.CSRF}}"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %.60s", want)
		}
	}
	if strings.ContainsAny(page, "\u202e\u202c\u200b\x00") || strings.Contains(page, strings.Repeat("x", 81)) {
		t.Error("the page holds characters that are invisible, or a name that is too long")
	}
}

// Pages cannot be framed, whatever their status.
func TestS22OwnPagesAreNotFramed(t *testing.T) {
	h := newPagesHarness(t, nil)
	b := h.tab()
	for _, try := range []func() (*http.Response, string){
		func() (*http.Response, string) { return b.get(h.Issuer + "/apps") },
		func() (*http.Response, string) { return b.get(h.Issuer + "/admin") },
		func() (*http.Response, string) { return b.post("/apps", nil) },
		func() (*http.Response, string) { return b.post("/admin", nil) },
	} {
		res, body := try()
		checkPage(t, res, body)
	}
}

// A person who may not come in any more is signed out of the page, too.
func TestS26ConnectedAppsOfARemovedPerson(t *testing.T) {
	h := newPagesHarness(t, nil)
	h.grantTo("App", "bob", bobsPassword)
	b := h.tab()
	form := formWith(t, b.enter("/apps", "bob", bobsPassword), "revoke")
	if err := h.Users.Delete("bob"); err != nil {
		t.Fatal(err)
	}
	formWith(t, b.open("/apps"), "sign-in")
	res, body := b.post("/apps", form.with("revoke"))
	if res.StatusCode != 403 {
		t.Errorf("a form: %s", res.Status)
	}
	checkPage(t, res, body)
}
