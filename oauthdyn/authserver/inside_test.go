// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

func TestTransport(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) { o.Issuer = "https://auth.example/tenant" })
	client := &http.Client{Transport: s.Transport(nil)}
	for address, want := range map[string]int{
		"https://auth.example/.well-known/oauth-authorization-server/tenant": 200, // not below the issuer
		"https://auth.example/tenant/jwks":                                   200,
		"https://auth.example":                                               404,
	} {
		res, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil {
			t.Error(err)
		}
		if res.StatusCode != want || int64(len(body)) != res.ContentLength || len(body) == 0 || !strings.HasPrefix(res.Status, res.Status[:3]+" ") {
			t.Errorf("%s: %s with %d of %d bytes", address, res.Status, len(body), res.ContentLength)
		}
	}
	res, err := client.Post("https://auth.example/tenant/register", jsonType, strings.NewReader(`{"redirect_uris":["https://c.example/cb"]}`))
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Errorf("register: %v, %v", res, err)
	}
	for _, address := range []string{"https://auth.example.evil/tenant/jwks", "http://auth.example/tenant/jwks", "https://auth.example:8443/jwks", "https://other.example/"} {
		if _, err := client.Get(address); err == nil || !strings.Contains(err.Error(), "is not the authorization server") {
			t.Errorf("%s: %v", address, err)
		}
	}
	outside := httptest.NewServer(http.NotFoundHandler())
	defer outside.Close()
	client.Transport = s.Transport(http.DefaultTransport)
	if res, err := client.Get(outside.URL); err != nil || res.StatusCode != 404 {
		t.Errorf("outside: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://auth.example/tenant/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
