// SPDX-License-Identifier: Apache-2.0

package oauthdyntest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

func newClient(t *testing.T, srv *oauthdyntest.Server) (*oauthdyn.Client, *int) {
	t.Helper()
	signIns := 0
	client, err := oauthdyn.New(oauthdyn.Config{Resource: srv.ResourceURL, OpenURL: func(ctx context.Context, url string) error {
		signIns++
		return srv.Browser().Open(ctx, url)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return client, &signIns
}

func get(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestFaultsBeforeSignIn(t *testing.T) {
	for name, test := range map[string]struct {
		faults oauthdyntest.Faults
		want   string // in the error
	}{
		"none":                  {oauthdyntest.Faults{}, ""},
		"slow":                  {oauthdyntest.Faults{Delay: 20 * time.Millisecond}, ""},
		"another path":          {oauthdyntest.Faults{Path: "/nothing", Status: 500}, ""},
		"server error":          {oauthdyntest.Faults{Status: 503}, "503|Service Unavailable"},
		"token endpoint fails":  {oauthdyntest.Faults{Path: "/token", Status: 500}, "500|Internal Server Error"},
		"wrong issuer":          {oauthdyntest.Faults{Issuer: "https://evil.example"}, "issuer"},
		"no S256":               {oauthdyntest.Faults{NoS256: true}, "S256"},
		"client is unknown":     {oauthdyntest.Faults{UnknownClient: true}, "invalid_client"},
		"refresh is not needed": {oauthdyntest.Faults{RefreshRevoked: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := oauthdyntest.New(t, nil)
			srv.SetFaults(test.faults)
			client, _ := newClient(t, srv)
			_, err := client.Authenticate(t.Context())
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			found := false
			for want := range strings.SplitSeq(test.want, "|") {
				found = found || err != nil && strings.Contains(err.Error(), want)
			}
			if !found {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			srv.SetFaults(oauthdyntest.Faults{})
			if client, _ := newClient(t, srv); get(t, client.HTTPClient(), srv.ResourceURL) != 200 {
				t.Error("still faulty")
			}
		})
	}
}

func TestSlowUntilTheClientGivesUp(t *testing.T) {
	srv := oauthdyntest.New(t, nil)
	srv.SetFaults(oauthdyntest.Faults{Delay: time.Hour})
	client, _ := newClient(t, srv)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Authenticate(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestRevokedAccess(t *testing.T) {
	srv := oauthdyntest.New(t, nil)
	client, signIns := newClient(t, srv)
	if status := get(t, client.HTTPClient(), srv.ResourceURL); status != 200 {
		t.Fatalf("control: %d", status)
	}
	token, err := client.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.RevokeAccess(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.ResourceURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if c, _ := oauthdyn.BearerChallenge(res.Header); res.StatusCode != 401 || c.Code() != oauthdyn.CodeInvalidToken {
		t.Errorf("revoked token: %s, %v", res.Status, c)
	}

	// With the refresh token gone too, only a person helps.
	// What is issued from now on is issued later, in whole seconds.
	for revoked := time.Now().Unix(); time.Now().Unix() == revoked; time.Sleep(10 * time.Millisecond) {
	}
	srv.SetFaults(oauthdyntest.Faults{RefreshRevoked: true})
	before := *signIns
	if status := get(t, client.HTTPClient(), srv.ResourceURL); status != 200 || *signIns != before+1 {
		t.Errorf("%d after %d sign-ins, want 200 after one more than %d", status, *signIns, before)
	}
}

// What a client revokes at the authorization server reaches the resource, and
// so does what an administrator revokes.
func TestRevokedGrants(t *testing.T) {
	srv := oauthdyntest.New(t, nil)
	client, signIns := newClient(t, srv)
	for name, end := range map[string]func(context.Context) error{"administrator": srv.RevokeGrants, "client": client.Revoke} {
		if status := get(t, client.HTTPClient(), srv.ResourceURL); status != 200 {
			t.Fatalf("control: %d", status)
		}
		token, err := client.TokenSource(t.Context()).Token()
		if err != nil {
			t.Fatal(err)
		}
		if err := end(t.Context()); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.ResourceURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token.AccessToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		before := *signIns
		if status := get(t, client.HTTPClient(), srv.ResourceURL); res.StatusCode != 401 || status != 200 || *signIns != before+1 {
			t.Errorf("%s: the old token gives %d; then %d after %d sign-ins more, want one", name, res.StatusCode, status, *signIns-before)
		}
	}
}

// Resource servers of tests may introspect.
func TestIntrospection(t *testing.T) {
	srv := oauthdyntest.New(t, nil)
	client, err := oauthdyn.New(oauthdyn.Config{Resource: srv.ResourceURL, OpenURL: srv.Browser().Open})
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := resource.NewIntrospectionVerifier(resource.IntrospectionOptions{
		Issuer: srv.Issuer, Audience: srv.ResourceURL, MaxAge: -1,
		ClientID: oauthdyntest.ResourceServerID, ClientSecret: oauthdyntest.ResourceServerSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := v.Verify(t.Context(), token.AccessToken); err != nil || p.Username != oauthdyntest.Username {
		t.Errorf("%+v, %v", p, err)
	}
	if err := client.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token.AccessToken); !errors.Is(err, resource.ErrInvalidToken) {
		t.Errorf("after signing out: %v", err)
	}
}

// A resource that takes no bearer tokens says so, and clients that know DPoP
// follow.
func TestDPoPRequired(t *testing.T) {
	srv := oauthdyntest.New(t, &oauthdyntest.Options{DPoPRequired: true})
	client, signIns := newClient(t, srv)
	for range 2 {
		if status := get(t, client.HTTPClient(), srv.ResourceURL); status != 200 || *signIns != 1 {
			t.Errorf("%d after %d sign-ins", status, *signIns)
		}
	}
	token, err := client.TokenSource(t.Context()).Token()
	if err != nil || token.TokenType != "DPoP" {
		t.Errorf("%v, %v", token, err)
	}
}
