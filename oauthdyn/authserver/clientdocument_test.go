// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// documentSite serves the document of an app, by https, and lets the server
// under test reach it.
type documentSite struct {
	*httptest.Server
	url      string
	document atomic.Pointer[http.Handler]
	host     string
}

func newDocumentSite(t *testing.T, m oauthdyn.ClientMetadata) *documentSite {
	t.Helper()
	s := &documentSite{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.document.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	s.url = s.URL + "/client.json"
	s.host = strings.TrimPrefix(s.URL, "https://")
	s.publish(t, m)
	return s
}

func (s *documentSite) publish(t *testing.T, m oauthdyn.ClientMetadata) {
	t.Helper()
	h, err := oauthdyn.NewMetadataHandler(s.url, m)
	if err != nil {
		t.Fatal(err)
	}
	s.document.Store(&h)
}

// transport trusts the certificate of the site.
func (s *documentSite) transport() http.RoundTripper {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
}

func newDocumentHarness(t *testing.T, site *documentSite, edits ...func(*authserver.Options)) *harness {
	return newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
		o.ClientDocuments.Transport = site.transport()
		for _, edit := range edits {
			edit(o)
		}
	}})
}

// A3, A9: our own client, which publishes a document, signs in without a
// registration, refreshes and signs out.
func TestA3A9DocumentIsTheClient(t *testing.T) {
	site := newDocumentSite(t, oauthdyn.ClientMetadata{ClientName: "Documented app"})
	h := newDocumentHarness(t, site)
	browser := h.Browser()
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: h.ResourceURL, ClientMetadataURL: site.url, OpenURL: browser.Open,
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
	if err != nil || info.ClientID != site.url {
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
	if claims := tokenClaims(t, after.AccessToken); claims["client_id"] != site.url {
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
		site := newDocumentSite(t, oauthdyn.ClientMetadata{ClientName: "Documented app"})
		redirect = strings.Replace(redirect, "{site}", site.host, 1)
		site.publish(t, oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{redirect}})
		h := newDocumentHarness(t, site)
		res, page := h.page(newRequest(t, "GET", h.authorizeURL(site.url, "redirect_uri", redirect), ""))
		if res.StatusCode != 200 || !strings.Contains(page, "Documented app") || !strings.Contains(page, site.host) || !strings.Contains(page, want) {
			t.Errorf("%s: %s %s", redirect, res.Status, page)
		}
		if strings.Contains(page, "registered itself") {
			t.Error("the page says that the app registered itself")
		}
	}
}

func TestS76DocumentRefusals(t *testing.T) {
	site := newDocumentSite(t, oauthdyn.ClientMetadata{ClientName: "Documented app", RedirectURIs: []string{callback}})
	gone := http.Handler(http.NotFoundHandler())
	down := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	bad := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"client_id": "`+site.url+`", "client_name": "App", "redirect_uris": ["http://evil.example/"]}`)
	}))
	good := *site.document.Load()
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
			site.document.Store(&test.document)
			id := site.url
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

func TestDocumentsAreAnnounced(t *testing.T) {
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
