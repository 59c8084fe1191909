// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/oidc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// keycloakUpstream lets people sign in to our authorization server at Keycloak,
// as the README of oauthdyn describes it, and removes them there.
func keycloakUpstream(t *testing.T, k *keycloak) {
	r := k.newRealm(t, "upstream")
	users, staff := r.path("/users"), r.path("/groups")
	r.admin(t, http.MethodPost, staff, object{"name": "staff"}, nil)
	user, group := r.firstID(t, users+"?username="+alice.name), r.firstID(t, staff)
	member := users + "/" + user + "/groups/" + group
	r.admin(t, http.MethodPut, member, object{}, nil)

	const secret = "a secret of our tests"
	v := loginServer(t, func(callback string) oidc.Options {
		r.addClient(t, object{
			"clientId": "mcp", "secret": secret, "redirectUris": []string{callback},
			"attributes": object{"pkce.code.challenge.method": "S256"},
			"protocolMappers": []object{{
				"name": "groups", "protocol": "openid-connect", "protocolMapper": "oidc-group-membership-mapper",
				"config": object{"claim.name": "groups", "full.path": "false", "id.token.claim": "true", "userinfo.token.claim": "true"},
			}},
		})
		return oidc.Options{
			Issuer: r.issuer(), ClientID: "mcp", ClientSecret: secret, TokenKey: bytes.Repeat([]byte{1}, 32),
			Allow: allow.List{Groups: []string{"staff"}},
		}
	})
	signIn := func() (tokenReply, error) {
		return v.signIn(&browser.Browser{Username: alice.name, Password: alice.password})
	}
	for name, change := range map[string]func(){
		"group":   func() { r.admin(t, http.MethodDelete, member, object{}, nil) },
		"account": func() { r.admin(t, http.MethodPut, users+"/"+user, object{"enabled": false}, nil) },
	} {
		got, err := signIn()
		if err != nil {
			t.Fatal(err)
		}
		if subject, called := got.claims(); !strings.HasSuffix(subject, ":"+user) || called != alice.name {
			t.Errorf("subject %q, name %q", subject, called)
		}
		for range 3 { // Keycloak's token serves once
			if got = v.refresh(got.RefreshToken); got.AccessToken == "" {
				t.Fatalf("refresh: %s", got.Error)
			}
		}
		change()
		if refused := v.refresh(got.RefreshToken); refused.Error != "invalid_grant" {
			t.Errorf("refresh without the %s: %q", name, refused.Error)
		}
		if _, err := signIn(); err == nil {
			t.Errorf("signed in without the %s", name)
		}
		r.admin(t, http.MethodPut, users+"/"+user, object{"enabled": true}, nil)
		r.admin(t, http.MethodPut, member, object{}, nil)
	}
}

// path is where the Admin REST API has things of the realm.
func (r *realm) path(things string) string { return "/" + r.name + things }

// firstID returns the id of the first thing in a list.
func (r *realm) firstID(t *testing.T, list string) string {
	t.Helper()
	var things []struct{ ID string }
	r.admin(t, http.MethodGet, list, nil, &things)
	if len(things) == 0 {
		t.Fatalf("%s is empty", list)
	}
	return things[0].ID
}
