// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// TestSDKs lets the clients of MCP SDKs find the authorization server from a
// 401, register, log in, call a tool, and refresh when their token is refused.
func TestSDKs(t *testing.T) {
	requireClients(t)
	s := newSite(t)
	for name, program := range map[string][]string{
		"TypeScript 1": nodeProgram("sdk-v1.mjs", s.url),
		"TypeScript 2": nodeProgram("sdk-v2.mjs", s.url),
		"Python":       pythonProgram("sdk.py", s.url),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			login(t, program).wantLogin(t)
		})
	}
}

var authMethods = []string{oauthdyn.AuthMethodNone, oauthdyn.AuthMethodClientSecretBasic, oauthdyn.AuthMethodClientSecretPost}

// TestOAuth4WebAPI lets a library check whatever RFCs let it check: the issuer of
// the metadata in both ways to find it, and in the answer; JWT access tokens;
// introspection; revocation.
func TestOAuth4WebAPI(t *testing.T) {
	requireClients(t)
	s := newSite(t)
	for i, method := range authMethods {
		algorithm := []string{"oauth2", "oidc"}[i%2]
		t.Run(algorithm+" "+method, func(t *testing.T) {
			t.Parallel()
			o := login(t, nodeProgram("oauth4webapi.mjs", s.url, algorithm, method, askerID, askerSecret))
			o.wantLogin(t)
			if o.Iss != s.issuer || o.Issuer != s.issuer {
				t.Errorf("issuer %q in the answer, %q in the metadata; want %q", o.Iss, o.Issuer, s.issuer)
			}
			if !o.Active || o.Subject != subject {
				t.Errorf("introspection: active %v, of %q", o.Active, o.Subject)
			}
			if o.ActiveRevoked {
				t.Error("active after its revocation")
			}
		})
	}
}

// TestOpenIDClient does the same with the library that most programs use.
func TestOpenIDClient(t *testing.T) {
	requireClients(t)
	s := newSite(t)
	for i, method := range authMethods {
		algorithm := []string{"oidc", "oauth2"}[i%2]
		t.Run(algorithm+" "+method, func(t *testing.T) {
			t.Parallel()
			o := login(t, nodeProgram("openid-client.mjs", s.url, algorithm, method))
			o.wantLogin(t)
			if o.Again != oauthdyn.CodeInvalidGrant {
				t.Errorf("a refresh after the revocation: %s", o.Again)
			}
		})
	}
}
