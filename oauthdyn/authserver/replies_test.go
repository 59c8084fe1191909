// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// A copy of the store opens nothing: what clients hold is in it as hashes.
func TestS64StoreHoldsNoSecrets(t *testing.T) {
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"client_secret_post"}`)
	withSecret := func(form url.Values) url.Values {
		form.Set("client_secret", client.ClientSecret)
		return form
	}
	waiting, spent := h.code(client.ClientID), h.code(client.ClientID)
	first := h.token(withSecret(h.redeemForm(client.ClientID, spent)))
	second := h.token(withSecret(refreshForm(client.ClientID, first.RefreshToken)))
	if second.Status != 200 {
		t.Fatalf("%d %v", second.Status, &second.Error)
	}
	var content bytes.Buffer
	kinds := map[string]int{}
	err := h.Store.Export(t.Context(), func(r store.Record) error {
		switch {
		case r.Client != nil:
			kinds["client"]++
		case r.Code != nil:
			kinds["code"]++
		case r.Grant != nil:
			kinds["grant"]++
		}
		return json.NewEncoder(&content).Encode(r)
	})
	if err != nil || kinds["client"] != 1 || kinds["code"] != 2 || kinds["grant"] != 1 {
		t.Fatalf("%v, %v", kinds, err)
	}
	for name, secret := range map[string]string{
		"client secret": client.ClientSecret, "registration access token": client.RegistrationAccessToken, "code": waiting, "redeemed code": spent,
		"refresh token": second.RefreshToken, "used refresh token": first.RefreshToken, "access token": second.AccessToken,
	} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
			if secret == "" || strings.Contains(content.String(), form) {
				t.Errorf("the store holds the %s", name)
			}
		}
		if _, end, ok := strings.Cut(secret, "."); ok && name != "access token" && strings.Contains(content.String(), end) {
			t.Errorf("the store holds the %s", name)
		}
	}
}

// Clients take null for a value: one lost its refresh token that way.
func TestTokenRepliesWithoutNulls(t *testing.T) {
	for _, grants := range []string{`["authorization_code","refresh_token"]`, `["authorization_code"]`} {
		h := newHarness(t, nil)
		client := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","grant_types":` + grants + `}`)
		form := h.redeemForm(client.ClientID, h.code(client.ClientID))
		for range 2 {
			rec := do(h.AuthServer, "POST", "/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			var members map[string]any
			if err := json.Unmarshal(rec.Body.Bytes(), &members); err != nil || rec.Code != 200 {
				t.Fatalf("%d %s %v", rec.Code, rec.Body, err)
			}
			for name, value := range members {
				if value == nil || value == "" {
					t.Errorf("%s is %v", name, value)
				}
			}
			token, ok := members["refresh_token"].(string)
			if !ok {
				break
			}
			form = refreshForm(client.ClientID, token)
		}
	}
}

// A5: what would send tokens over the network in the clear does not start.
func TestA5IssuersWithoutTLS(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"https://auth.example": true, "http://127.0.0.1:9000": true, "http://[::1]:9000": true, "http://localhost": true,
		"http://auth.example": false, "http://192.0.2.1": false, "http://0.0.0.0:9000": false, "http://localhost.example": false, "ws://auth.example": false,
	} {
		s, err := newServer(t, func(o *authserver.Options) { o.Issuer = issuer })
		if (err == nil) != ok {
			t.Errorf("%s: %v", issuer, err)
		}
		if s == nil {
			continue
		}
		var members map[string]any
		if err := json.Unmarshal(get(s, oauthdyn.WellKnownServer).Body.Bytes(), &members); err != nil {
			t.Fatal(err)
		}
		for name, value := range members {
			if text, isText := value.(string); isText && (strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri")) && !strings.HasPrefix(text, issuer+"/") {
				t.Errorf("%s is %s", name, text)
			}
		}
	}
}
