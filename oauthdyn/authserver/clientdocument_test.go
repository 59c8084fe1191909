// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

func newDocumentHarness(t *testing.T, site *oauthdyntest.ClientDocument, edits ...func(*authserver.Options)) *harness {
	return newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
		o.ClientDocuments.Transport = site.Transport()
		for _, edit := range edits {
			edit(o)
		}
	}})
}

// A3, A9: our own client, which publishes a document, signs in without a
// registration, refreshes and signs out.
func TestA3A9DocumentIsTheClient(t *testing.T) {
	site := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "Documented app"})
	h := newDocumentHarness(t, site)
	browser := h.Browser()
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: h.ResourceURL, ClientMetadataURL: site.URL, OpenURL: browser.Open,
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.HTTPClient().Get(h.ResourceURL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	info, err := client.Register(t.Context())
	if err != nil || info.ClientID != site.URL {
		t.Errorf("the client is %v, %v", info, err)
	}
	before, err := client.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	after, err := client.Refresh(t.Context())
	if err != nil || after.AccessToken == before.AccessToken {
		t.Errorf("refresh: %v", err)
	}
	if claims := tokenClaims(t, after.AccessToken); claims["client_id"] != site.URL {
		t.Errorf("claims %v", claims)
	}
	if err := client.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who vouches for the app is on the page, and its word counts only if that is
// where the person is sent.
func TestS28DocumentOnTheConsentPage(t *testing.T) {
	for redirect, want := range map[string]string{
		"http://127.0.0.1/callback":    "Any program could say so",
		"https://app.example/callback": "but you will be sent elsewhere",
		"https://{site}/callback":      "It is an app of <strong>",
	} {
		site := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "Documented app"})
		redirect = strings.Replace(redirect, "{site}", site.Host(), 1)
		site.Publish(t, oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{redirect}})
		h := newDocumentHarness(t, site)
		res, page := h.page(newRequest(t, "GET", h.authorizeURL(site.URL, "redirect_uri", redirect), ""))
		if res.StatusCode != 200 || !strings.Contains(page, "Documented app") || !strings.Contains(page, site.Host()) || !strings.Contains(page, want) {
			t.Errorf("%s: %s %s", redirect, res.Status, page)
		}
		if strings.Contains(page, "registered itself") {
			t.Error("the page says that the app registered itself")
		}
	}
}

func TestA9S76DocumentRefusals(t *testing.T) {
	site := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{callback}})
	gone := http.Handler(http.NotFoundHandler())
	down := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	bad := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"client_id": "`+site.URL+`", "client_name": "App", "redirect_uris": ["http://evil.example/"]}`)
	}))
	good, err := oauthdyn.NewMetadataHandler(site.URL, oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{callback}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		document            http.Handler
		off                 bool
		authorize, token    int
		text, error, client string
	}{
		"redirect URI of another": {document: good, authorize: 400, token: 400, text: "did not register", error: "invalid_grant"},
		"gone":                    {document: gone, authorize: 400, token: 401, text: "does not know the app", error: "invalid_client"},
		"down":                    {document: down, authorize: 503, token: 503, text: "right now", error: "temporarily_unavailable"},
		"bad redirect URI":        {document: bad, authorize: 400, token: 401, text: "a redirect URI uses http", error: "invalid_client"},
		"not an address":          {document: good, client: "https://app.example", authorize: 400, token: 401, text: "needs a path", error: "invalid_client"},
		"off":                     {document: good, off: true, authorize: 400, token: 401, text: "not registered here", error: "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newDocumentHarness(t, site, func(o *authserver.Options) { o.ClientDocuments.Off = test.off })
			site.Serve(test.document)
			id := site.URL
			if test.client != "" {
				id = test.client
			}
			res, page := h.page(newRequest(t, "GET", h.authorizeURL(id, "redirect_uri", "https://elsewhere.example/"), ""))
			if res.StatusCode != test.authorize || !strings.Contains(page, test.text) || res.Header.Get("Location") != "" {
				t.Errorf("authorize: %s %s", res.Status, page)
			}
			reply := h.token(h.redeemForm(id, "no code"))
			if reply.Status != test.token || reply.Code != test.error {
				t.Errorf("token: %d %+v", reply.Status, reply.Error)
			}
		})
	}
}

func TestA3DocumentsAreAnnounced(t *testing.T) {
	for _, off := range []bool{false, true} {
		s := mustServer(t, func(o *authserver.Options) { o.ClientDocuments.Off = off })
		body := get(s, "/.well-known/oauth-authorization-server").Body.String()
		if strings.Contains(body, `"client_id_metadata_document_supported":true`) == off {
			t.Errorf("off %v: %s", off, body)
		}
	}
	for _, hosts := range [][]string{nil, {"app.example"}} { // where registration is closed
		s := mustServer(t, func(o *authserver.Options) {
			o.InitialAccessTokens = []string{"0123456789abcdef"}
			o.ClientDocuments.Hosts = hosts
		})
		body := get(s, "/.well-known/oauth-authorization-server").Body.String()
		if strings.Contains(body, `"client_id_metadata_document_supported":true`) != (hosts != nil) {
			t.Errorf("hosts %v: %s", hosts, body)
		}
	}
	if _, err := newServer(t, func(o *authserver.Options) { o.ClientDocuments.Hosts = []string{"https://app.example"} }); err == nil {
		t.Error("a URL is accepted for a host")
	}
}

// S77: what a document stops to name is of no more use, and people are asked
// again when it says something else.
func TestS77DocumentChanges(t *testing.T) {
	const other = "https://client.example/other"
	known := oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{callback, other}}
	site := oauthdyntest.NewClientDocument(t, known)
	h := newDocumentHarness(t, site, func(o *authserver.Options) { o.CodeTTL = 10 * time.Minute })
	publish := func(change func(*oauthdyn.ClientMetadata)) {
		m := known
		if change != nil {
			change(&m)
		}
		site.Publish(t, m)
		h.Restart(t) // which would read it within a day
	}
	code := h.code(site.URL)
	publish(func(m *oauthdyn.ClientMetadata) { m.RedirectURIs = []string{other} })
	wantError(t, h.token(h.redeemForm(site.URL, code)), 400, oauthdyn.CodeInvalidGrant)
	if res, _ := h.page(newRequest(t, "GET", h.authorizeURL(site.URL), "")); res.StatusCode != 400 {
		t.Errorf("a redirect URI that is gone: %s", res.Status)
	}
	publish(nil)
	if reply := h.token(h.redeemForm(site.URL, code)); reply.Status != 200 {
		t.Errorf("it is there again: %d %v", reply.Status, &reply.Error)
	}

	b := h.Browser()
	asked := func() bool {
		t.Helper()
		b.Deny = true
		at, err := b.Authorize(t.Context(), h.authorizeURL(site.URL))
		if err != nil {
			t.Fatal(err)
		}
		return at.Query().Get("error") == oauthdyn.CodeAccessDenied
	}
	if _, err := b.Authorize(t.Context(), h.authorizeURL(site.URL)); err != nil {
		t.Fatal(err)
	}
	publish(nil)
	if asked() {
		t.Error("asked again, though nothing has changed")
	}
	key := newJoseKey(t, "ES256", "k1")
	for name, change := range map[string]func(*oauthdyn.ClientMetadata){
		"redirect URI": func(m *oauthdyn.ClientMetadata) {
			m.RedirectURIs = []string{callback, other, "https://client.example/third"}
		},
		"name":      func(m *oauthdyn.ClientMetadata) { m.ClientName = "Something else" },
		"home page": func(m *oauthdyn.ClientMetadata) { m.ClientURI = "https://client.example/" },
		"keys": func(m *oauthdyn.ClientMetadata) {
			m.TokenEndpointAuthMethod, m.JWKS = oauthdyn.AuthMethodPrivateKeyJWT, []byte(jwks(t, key))
		},
		"address of keys": func(m *oauthdyn.ClientMetadata) {
			m.TokenEndpointAuthMethod, m.JWKSURI = oauthdyn.AuthMethodPrivateKeyJWT, site.Site.URL+"/jwks"
		},
	} {
		publish(change)
		if !asked() {
			t.Errorf("%s: not asked again", name)
		}
	}
	publish(func(m *oauthdyn.ClientMetadata) { m.LogoURI = "https://client.example/logo.png" })
	if asked() {
		t.Error("asked again because of the logo")
	}
}

// The site of a client is down: what is known of it lasts. A server that knows
// nothing yet says that it is not the client's fault, so that nothing is lost.
func TestA9RefreshWithoutTheDocument(t *testing.T) {
	m := oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{callback}}
	site := oauthdyntest.NewClientDocument(t, m)
	h := newDocumentHarness(t, site)
	reply := h.token(h.redeemForm(site.URL, h.code(site.URL)))
	down := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })

	site.Serve(down)
	if reply = h.token(refreshForm(site.URL, reply.RefreshToken)); reply.Status != 200 {
		t.Fatalf("while the site is down: %d %v", reply.Status, &reply.Error)
	}
	h.Restart(t)
	wantError(t, h.token(refreshForm(site.URL, reply.RefreshToken)), 503, oauthdyn.CodeTemporarilyUnavailable)
	site.Publish(t, m)
	h.Restart(t)
	if reply = h.token(refreshForm(site.URL, reply.RefreshToken)); reply.Status != 200 {
		t.Errorf("after a restart, when it is up: %d %v", reply.Status, &reply.Error)
	}
	site.Serve(http.NotFoundHandler())
	h.Restart(t)
	wantError(t, h.token(refreshForm(site.URL, reply.RefreshToken)), 401, oauthdyn.CodeInvalidClient)
}
