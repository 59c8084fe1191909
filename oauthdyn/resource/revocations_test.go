// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

func TestS88RevokedTokensAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newIssuerFixture(t)
		// Two nodes, each with a cache that knows the tokens.
		var revocations Revocations
		var nodes [2]*Resource
		for i := range nodes {
			node, err := New(Options{
				Resource: testResource, AuthorizationServers: []string{testIssuer}, Verifier: f.verifier(), Revocations: &revocations,
			})
			if err != nil {
				t.Fatal(err)
			}
			nodes[i] = node
		}
		token := func(id, session, client, subject string) string {
			return f.token(func(c *jose.Claims) { c.ID, c.Session, c.ClientID, c.Subject = id, session, client, subject })
		}
		all := map[string]string{
			"1": token("1", "s1", "c1", "alice"),
			"2": token("2", "s1", "c1", "alice"),
			"3": token("3", "s2", "c2", "alice"),
			"4": token("4", "s3", "c1", "bob"),
			"5": token("5", "s4", "c2", "bob"),
			"6": token("", "", "c3", "carol"),
		}
		check := func(what string, good ...string) {
			t.Helper()
			want := map[string]bool{}
			for _, name := range good {
				want[name] = true
			}
			for name, token := range all {
				for i, node := range nodes {
					if _, err := node.Verify(t.Context(), token); (err == nil) != want[name] {
						t.Errorf("%s: token %s at node %d: %v", what, name, i, err)
					}
				}
			}
		}
		add := func(v Revocation) {
			t.Helper()
			if v.Issuer == "" {
				v.Issuer = testIssuer
			}
			if err := revocations.Add(v); err != nil {
				t.Fatal(err)
			}
		}
		check("nothing", "1", "2", "3", "4", "5", "6")
		add(Revocation{TokenID: "1", Issuer: "https://other.example"})
		check("other issuer", "1", "2", "3", "4", "5", "6")
		add(Revocation{TokenID: "1"})
		check("token", "2", "3", "4", "5", "6")
		add(Revocation{Session: "s1"})
		check("session", "3", "4", "5", "6")
		add(Revocation{ClientID: "c2", Subject: "alice"})
		check("client of a person", "4", "5", "6")
		add(Revocation{ClientID: "c1"})
		check("client", "5", "6")
		add(Revocation{Subject: "bob", IssuedUntil: time.Now().Add(-time.Second)})
		check("before", "5", "6")
		add(Revocation{Subject: "bob"})
		check("person", "6")
		time.Sleep(time.Second)
		all = map[string]string{"7": token("7", "s5", "c1", "bob")}
		check("a new sign-in", "7")
	})
}

func TestS88RevocationsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Revocations
		for i := range 1000 {
			if err := r.Add(Revocation{Issuer: testIssuer, TokenID: string(rune('a' + i)), Expires: time.Now().Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := r.size.Load(); n > 256 {
			t.Errorf("%d revocations are kept; about 120 count", n)
		}
		for _, v := range []Revocation{
			{}, {Issuer: testIssuer}, {TokenID: "x"}, {Issuer: testIssuer, TokenID: "x", Subject: "y"}, {Issuer: testIssuer, Session: "x", ClientID: "y"},
		} {
			if err := r.Add(v); err == nil {
				t.Errorf("%+v: no error", v)
			}
		}
		// An empty claim must not be found among them.
		if r.Revoked(&Principal{Issuer: testIssuer}) {
			t.Error("a token without any claim is revoked")
		}
	})
}
