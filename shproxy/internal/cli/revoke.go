// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// replace puts other tokens to use. Streams that were opened with one that is
// not among them end.
func (t *staticTokens) replace(tokens []staticToken) {
	old := make(map[string]staticToken)
	if known := t.tokens.Load(); known != nil {
		for _, token := range *known {
			old[token.key()] = token
		}
	}
	for i := range tokens {
		token := &tokens[i]
		if same, ok := old[token.key()]; ok {
			*token = same
			delete(old, token.key())
			continue
		}
		token.valid, token.revoke = context.WithCancel(context.Background())
	}
	t.tokens.Store(&tokens)
	for _, gone := range old {
		gone.revoke()
	}
}

func (t *staticToken) key() string { return t.id() + t.name }

// id names the token without telling it.
func (t *staticToken) id() string { return hex.EncodeToString(t.hash[:]) }

func (t *staticToken) principal() *resource.Principal {
	return &resource.Principal{Issuer: tokenIssuer, Subject: t.name, ID: t.id()}
}

// whileValid lets the streams that a static token has opened end with it, since
// they would stay open for as long as the client likes. Calls are answered.
func (t *staticTokens) whileValid(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := resource.FromContext(r.Context())
		if !ok || p.Issuer != tokenIssuer || !isStream(r) {
			next.ServeHTTP(w, r)
			return
		}
		token, ok := t.find(p.ID)
		if !ok { // it was taken away just now
			t.refuse(w, challengeInvalid, "the token is not valid")
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(token.valid, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func isStream(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Header.Get("Mcp-Method") == "subscriptions/listen"
}

func (t *staticTokens) find(id string) (staticToken, bool) {
	for _, token := range *t.tokens.Load() {
		if token.id() == id {
			return token, true
		}
	}
	return staticToken{}, false
}
