// SPDX-License-Identifier: Apache-2.0

package oauthdyn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// These tests run the client against the authorization server and the resource
// of this module. Those that need a server that misbehaves are beside the code.

// newClient returns a client that counts how often a person is asked.
func newClient(t *testing.T, srv *oauthdyntest.Server, asked *atomic.Int64, change ...func(*oauthdyn.Config)) *oauthdyn.Client {
	t.Helper()
	person := srv.Browser()
	cfg := oauthdyn.Config{
		Resource: srv.ResourceURL, ClientName: "interop",
		OpenURL: func(ctx context.Context, page string) error {
			asked.Add(1)
			return person.Open(ctx, page)
		},
	}
	for _, ch := range change {
		ch(&cfg)
	}
	c, err := oauthdyn.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func call(t *testing.T, h *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := h.Post(url, "text/plain", strings.NewReader("hi"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestInteropLoginIsKeptInAFile(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{Scopes: []string{"mcp"}})
	var asked atomic.Int64
	file := filepath.Join(t.TempDir(), "private", "credentials.json")
	kept := func(c *oauthdyn.Config) { c.Store = oauthdyn.NewFileStore(file) }
	for range 3 {
		if status, body := call(t, newClient(t, srv, &asked, kept).HTTPClient(), srv.ResourceURL); status != 200 || body != "hello alice\n" {
			t.Errorf("%d %q", status, body)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
	c := newClient(t, srv, &asked, kept)
	if err := c.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TokenSource(t.Context()).Token(); !errors.Is(err, oauthdyn.ErrNotSignedIn) {
		t.Errorf("after logout: %v", err)
	}
}

func TestInteropDiscoverAndRegister(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{Scopes: []string{"mcp"}})
	var asked atomic.Int64
	c := newClient(t, srv, &asked)
	d, err := c.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Issuer != srv.Issuer || d.Resource != srv.ResourceURL || d.Legacy || d.Server.TokenEndpoint == "" ||
		!slices.Contains(d.ResourceMetadata.ScopesSupported, "mcp") {
		t.Errorf("%+v", d)
	}
	first, err := c.Register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Register(t.Context())
	if err != nil || again.ClientID != first.ClientID {
		t.Errorf("%v, %v; first %v", again, err, first)
	}
	if first.ApplicationType != oauthdyn.ApplicationTypeNative || first.ClientSecret != "" || asked.Load() != 0 {
		t.Errorf("%+v", first.ClientMetadata)
	}
}

// Short tokens are refreshed, again and again, with rotating refresh tokens.
func TestInteropRefresh(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{
		Adjust: func(o *authserver.Options) { o.AccessTokenTTL = time.Second },
	})
	var asked atomic.Int64
	c := newClient(t, srv, &asked)
	seen := map[string]bool{}
	for ctx, deadline := t.Context(), time.Now().Add(time.Minute); len(seen) < 3 && time.Now().Before(deadline); {
		if status, _ := call(t, c.HTTPClient(), srv.ResourceURL); status != 200 {
			t.Fatalf("status %d", status)
		}
		token, err := c.TokenSource(ctx).Token()
		if err != nil {
			t.Fatal(err)
		}
		seen[token.RefreshToken] = true
	}
	if n := asked.Load(); n != 1 || len(seen) < 3 {
		t.Errorf("%d logins, %d refresh tokens", n, len(seen))
	}
}

// The server lost its clients and grants, as after a new installation.
func TestInteropServerForgotEverything(t *testing.T) {
	old := oauthdyntest.New(t, nil)
	var asked atomic.Int64
	store := oauthdyn.NewMemoryStore()
	c := newClient(t, old, &asked, func(c *oauthdyn.Config) { c.Store = store })
	info, err := c.Register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := old.Store.DeleteClient(t.Context(), info.ClientID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := c.Register(t.Context())
	if err != nil || again.ClientID == info.ClientID {
		t.Errorf("%v, %v; want a new registration", again, err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("%d logins", n)
	}
}

func TestInteropDenied(t *testing.T) {
	srv := oauthdyntest.New(t, nil)
	person := srv.Browser()
	person.Deny = true
	var asked atomic.Int64
	c := newClient(t, srv, &asked, func(c *oauthdyn.Config) { c.OpenURL = person.Open })
	_, err := c.Authenticate(t.Context())
	if !errors.Is(err, &oauthdyn.Error{Code: oauthdyn.CodeAccessDenied}) {
		t.Errorf("got %v", err)
	}
}

func TestInteropStepUp(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := resource.FromContext(r.Context())
			if slices.Contains(p.Scopes, "write") {
				_, _ = fmt.Fprintf(w, "written with %q", p.Scopes)
				return
			}
			w.Header().Set("WWW-Authenticate", oauthdyn.Challenge{Scheme: "bearer", Params: map[string]string{
				"error": oauthdyn.CodeInsufficientScope, "scope": "write",
			}}.String())
			w.WriteHeader(http.StatusForbidden)
		}),
		Adjust: func(o *authserver.Options) { o.Resources[0].Scopes = []string{"read", "write"} },
	})
	var asked atomic.Int64
	c := newClient(t, srv, &asked, func(c *oauthdyn.Config) { c.Scopes = []string{"read"} })
	if status, body := call(t, c.HTTPClient(), srv.ResourceURL); status != 200 || body != `written with ["read" "write"]` {
		t.Errorf("%d %q", status, body)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("%d logins", n)
	}
}
