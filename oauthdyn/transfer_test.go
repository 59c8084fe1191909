// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"errors"
	"strings"
	"testing"
)

func export(t *testing.T, c *Client) []byte {
	t.Helper()
	var data []byte
	if err := c.ExportGrant(t.Context(), func(grant []byte) error { data = grant; return nil }); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGrantMoves(t *testing.T) {
	for _, method := range []string{AuthMethodNone, AuthMethodClientSecretBasic} {
		f := newFake(t)
		f.serverMetadata["token_endpoint_auth_methods_supported"] = []string{method}
		here, there := f.client(), f.client()
		nothing := func([]byte) error { t.Error("delivered"); return nil }
		if err := here.ExportGrant(t.Context(), nothing); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("got %v", err)
		}
		if _, err := here.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		full := errors.New("disk full")
		if err := here.ExportGrant(t.Context(), func([]byte) error { return full }); !errors.Is(err, full) {
			t.Errorf("got %v", err)
		}
		if _, err := here.TokenSource(t.Context()).Token(); err != nil {
			t.Errorf("a grant that was not delivered is lost: %v", err)
		}
		data := export(t, here)
		if _, err := here.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
			t.Errorf("the grant is here and there: %v", err)
		}
		if err := there.ImportGrant(t.Context(), data); err != nil {
			t.Fatal(err)
		}
		wantError(t, there.ImportGrant(t.Context(), data), "sign out first")
		for range 2 { // with its own client, though this one never registered
			if status, _ := get(t, there.HTTPClient(), f.resource()); status != 200 {
				t.Errorf("status %d", status)
			}
			outdate(t, there)
		}
		if n := f.count("POST /register"); n != 1 {
			t.Errorf("%d registrations", n)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	f := newFake(t)
	c := f.client()
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := string(export(t, c))
	tests := []struct {
		name, data string
		change     func(*Config)
		want       string
	}{
		{"empty", "", nil, "not an exported grant"},
		{"cut off", good[:len(good)-9], nil, "not an exported grant"},
		{"no grant", `{"oauthdyn_grant":1}`, nil, "not an exported grant"},
		{"newer", strings.Replace(good, `"oauthdyn_grant":1`, `"oauthdyn_grant":2`, 1), nil, "layout 2"},
		{"another resource", good, func(c *Config) { c.Resource += "/other" }, "it is for"},
		{"another client", good, func(c *Config) { c.ClientID = "byhand" }, "another client"},
		{"another server", good, func(c *Config) { c.AuthServer = "https://as.example" }, "another authorization server"},
		{"unsafe server", strings.Replace(good, `"issuer":"`+f.URL, `"issuer":"http://evil.example`, 1), nil, "refused"},
		{"no token", strings.Replace(good, `"access_token":"access-`, `"access_token":"\u0000`, 1), nil, "no token"},
		{"no key", strings.Replace(good, `"client_id"`, `"dpop_key":"aHVzaA==","client_id"`, 1), nil, "private key"},
		{"book", good + strings.Repeat(" ", maxTransferBytes), nil, "larger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := f.client(func(c *Config) {
				if tt.change != nil {
					tt.change(c)
				}
			})
			err := to.ImportGrant(t.Context(), []byte(tt.data))
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "access-") || strings.Contains(err.Error(), "refresh-") {
				t.Errorf("the error holds a token: %v", err)
			}
			if _, err := to.TokenSource(t.Context()).Token(); !errors.Is(err, ErrNotSignedIn) {
				t.Errorf("imported all the same: %v", err)
			}
		})
	}
}
