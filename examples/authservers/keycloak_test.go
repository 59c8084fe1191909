// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

func TestKeycloak(t *testing.T) {
	t.Parallel()
	k := startKeycloak(t, keycloakStandard)
	t.Run("client", func(t *testing.T) { keycloakClient(t, k) })
	t.Run("resource", func(t *testing.T) { keycloakResource(t, k) })
	t.Run("upstream", func(t *testing.T) { keycloakUpstream(t, k) })
}

// keycloakClient goes through the life of a client in all ways to a grant.
func keycloakClient(t *testing.T, k *keycloak) {
	key := newKey(t)
	keys, err := oauthdyn.PublicKeySet(key, "")
	if err != nil {
		t.Fatal(err)
	}
	r := k.newRealm(t, "client")
	s := newSite(t)
	r.addScope(t, "read", audience("custom", s.url+"/bearer"), audience("custom", s.url+"/dpop"))
	r.addClient(t, object{
		"clientId": "robot", "serviceAccountsEnabled": true, "standardFlowEnabled": false, "clientAuthenticatorType": "client-jwt",
		"attributes": object{"use.jwks.string": "true", "jwks.string": string(keys), "token.endpoint.auth.signing.alg": "ES256"},
	})
	r.addScope(t, "write")
	g := s.add(t, "/bearer", r.issuer(), keycloakVerifier(t, r, s.url+"/bearer", true))
	resources := map[string]string{"Bearer": g.url, "DPoP": s.addAny("/dpop", r.issuer(), "DPoP")}

	t.Run("step-up", func(t *testing.T) {
		t.Parallel()
		newProgram(t, oauthdyn.Config{Resource: g.url, InitialAccessToken: r.initialAccessToken(t, 1)}).stepUp(t, g)
	})
	for _, scheme := range []string{"Bearer", "DPoP"} {
		for name, cfg := range map[string]oauthdyn.Config{
			"browser":         {},
			"private_key_jwt": {ClientKey: key},
			"device":          {Flow: oauthdyn.DeviceCode{}},
		} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				t.Parallel()
				cfg.Resource, cfg.InitialAccessToken = resources[scheme], r.initialAccessToken(t, 2)
				newProgram(t, cfg).life(t, s, resources[scheme], false)
			})
		}
		t.Run(scheme+" client credentials", func(t *testing.T) {
			t.Parallel()
			cfg := oauthdyn.Config{Resource: resources[scheme], ClientID: "robot", ClientKey: key, Flow: oauthdyn.ClientCredentials{}}
			newProgram(t, cfg).use(t, resources[scheme])
		})
	}
}

// keycloakVerifier may take the type JWT, which is what Keycloak gives its
// tokens unless a client is set otherwise.
func keycloakVerifier(t *testing.T, r *realm, audience string, typeJWT bool) resource.Verifier {
	t.Helper()
	v, err := resource.NewJWTVerifier(resource.JWTOptions{Issuers: []string{r.issuer()}, Audience: audience, AcceptTypeJWT: typeJWT})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// keycloakResource shows tokens to our resource side.
func keycloakResource(t *testing.T, k *keycloak) {
	s := newSite(t)
	ours, theirs := k.newRealm(t, "ours"), k.newRealm(t, "theirs")
	const secret = "a secret of our tests"
	for _, r := range []*realm{ours, theirs} {
		r.addClient(t, object{"clientId": "asker", "secret": secret, "standardFlowEnabled": false})
		// Who asks about a token has to be in its audience, beside the resource.
		r.addScope(t, "read", audience("custom", s.url+"/jwt"), audience("custom", s.url+"/asked"), audience("client", "asker"))
		r.addScope(t, "write")
		r.addScope(t, "mail", audience("custom", s.url+"/mail"))
		r.addClient(t, object{
			"clientId": "program", "publicClient": true, "directAccessGrantsEnabled": true, "redirectUris": []string{"http://127.0.0.1/callback"},
			"attributes": object{"pkce.code.challenge.method": "S256"},
		})
		r.addClient(t, object{"clientId": "robot", "secret": secret, "serviceAccountsEnabled": true, "standardFlowEnabled": false})
		r.addClient(t, object{
			"clientId": "exact", "publicClient": true, "redirectUris": []string{"http://127.0.0.1/callback"},
			"attributes": object{"access.token.header.type.rfc9068": "true"},
		})
		r.addClient(t, object{
			"clientId": "stale", "secret": secret, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
			"attributes": object{"access.token.lifespan": "-3600"}, // expired for an hour when it is issued
		})
	}
	asking, err := resource.NewIntrospectionVerifier(resource.IntrospectionOptions{
		Issuer: ours.issuer(), ClientID: "asker", ClientSecret: secret, Audience: s.url + "/asked", MaxAge: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	gates := map[string]*gate{
		"JWT":           s.add(t, "/jwt", ours.issuer(), keycloakVerifier(t, ours, s.url+"/jwt", true)),
		"introspection": s.add(t, "/asked", ours.issuer(), asking),
	}

	signIn := func(r *realm, scopes ...string) *program {
		return signedIn(t, oauthdyn.Config{AuthServer: r.issuer(), ClientID: "program", Scopes: scopes})
	}
	full := signIn(ours, "read", "write")
	stale := ours.token(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"stale"}, "client_secret": {secret}, "scope": {"read"}})
	// A way without a browser, of which our client does not keep the ID token.
	openID := ours.token(t, url.Values{
		"grant_type": {"password"}, "client_id": {"program"}, "username": {alice.name}, "password": {alice.password}, "scope": {"openid read"},
	})
	bound := signedIn(t, oauthdyn.Config{AuthServer: ours.issuer(), ClientID: "program", Scopes: []string{"read"}, DPoP: true})
	x := tokens{
		full:      full.store.grant().AccessToken,
		narrow:    signIn(ours, "read").store.grant().AccessToken,
		elsewhere: signIn(ours, "mail").store.grant().AccessToken,
		foreign:   signIn(theirs, "read").store.grant().AccessToken,
		expired:   stale.AccessToken,
		others: map[string]string{
			"refresh token":        full.store.grant().RefreshToken,
			"ID token":             openID.IDToken,
			"token bound to a key": bound.store.grant().AccessToken,
		},
	}
	for name, g := range gates {
		t.Run(name, func(t *testing.T) {
			x.judgedBy(t, g, resource.Principal{Issuer: ours.issuer(), Username: alice.name, ClientID: "program"})
		})
	}

	t.Run("client credentials", func(t *testing.T) {
		robot := signedIn(t, oauthdyn.Config{
			AuthServer: ours.issuer(), ClientID: "robot", ClientSecret: secret, Flow: oauthdyn.ClientCredentials{}, Scopes: []string{"read"},
		})
		for name, g := range gates {
			if got, p := g.try(t, "", robot.store.grant().AccessToken); got.Status != http.StatusOK || p.ClientID != "robot" {
				t.Errorf("%s: %v, %+v", name, got, p)
			}
		}
	})
	t.Run("type", func(t *testing.T) {
		exact := signedIn(t, oauthdyn.Config{AuthServer: ours.issuer(), ClientID: "exact", Scopes: []string{"read"}})
		for token, want := range map[string]error{exact.store.grant().AccessToken: nil, x.narrow: resource.ErrInvalidToken} {
			if _, err := keycloakVerifier(t, ours, s.url+"/jwt", false).Verify(t.Context(), token); !errors.Is(err, want) {
				t.Errorf("error %v: want %v", err, want)
			}
		}
	})
	t.Run("revoked", func(t *testing.T) {
		if err := full.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := outcome{http.StatusUnauthorized, oauthdyn.CodeInvalidToken}
		if got, _ := gates["introspection"].try(t, "", x.full); got != want {
			t.Errorf("%v: want %v", got, want)
		}
	})
}
