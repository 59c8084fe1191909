// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"net/http"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// tokens are what an authorization server issued, for a gate if nothing else is
// said.
type tokens struct {
	full      string // with the scopes read and write
	narrow    string // with the scope read
	elsewhere string // for another resource
	foreign   string // by another authorization server
	expired   string
	others    map[string]string // what is no access token at all
}

// judgedBy tries each token at a gate. Those that are good speak for want, of
// which the subject and the client may be left out.
func (x tokens) judgedBy(t *testing.T, g *gate, want resource.Principal) {
	invalid := outcome{http.StatusUnauthorized, oauthdyn.CodeInvalidToken}
	cases := []struct {
		name, path, token string
		want              outcome
	}{
		{"full", "", x.full, outcome{Status: http.StatusOK}},
		{"full, to write", "/write", x.full, outcome{Status: http.StatusOK}},
		{"narrow", "", x.narrow, outcome{Status: http.StatusOK}},
		{"narrow, to write", "/write", x.narrow, outcome{http.StatusForbidden, oauthdyn.CodeInsufficientScope}},
		{"elsewhere", "", x.elsewhere, invalid},
		{"foreign", "", x.foreign, invalid},
		{"expired", "", x.expired, invalid},
		{"altered", "", altered(x.full), invalid},
	}
	for name, token := range x.others {
		cases = append(cases, struct {
			name, path, token string
			want              outcome
		}{name, "", token, invalid})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.token == "" {
				t.Fatal("there is no such token")
			}
			got, p := g.try(t, c.path, c.token)
			if got != c.want {
				t.Errorf("%v: want %v", got, c.want)
			}
			if p != nil && (p.Username != want.Username || p.Issuer != want.Issuer || p.ClientID == "" || p.Subject == "" ||
				want.Subject != "" && p.Subject != want.Subject || want.ClientID != "" && p.ClientID != want.ClientID) {
				t.Errorf("the token speaks for %+v: want %+v", p, want)
			}
		})
	}
}

// altered changes a character inside of the token's last part.
func altered(token string) string {
	b := []byte(token)
	at := len(b) - 10
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}
