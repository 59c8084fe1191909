// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// A stream ends when the token that opened it is taken out of the file; calls
// do not, nor do the streams of others, or of another token of the same person.
func TestStreamsEndWithTheirToken(t *testing.T) {
	const other = "alice-fedcba9876543210"
	dir := t.TempDir()
	tokens, err := openTokens(write(t, dir, "tokens", "alice="+aliceToken+"\nalice="+other+"\nbob="+bobToken))
	if err != nil {
		t.Fatal(err)
	}
	issued := resource.Principal{Issuer: "https://auth.example", Subject: "alice", ID: "x"}
	ended := make(chan string, 10)
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"alone": tokens.middleware,
		// As behind the middleware that takes the tokens of issuers as well.
		"with issuers": func(h http.Handler) http.Handler {
			h = tokens.whileValid(h)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				p, err := (&alsoStatic{tokens: tokens, next: verifier{&issued}}).Verify(r.Context(), token)
				if err != nil {
					t.Error(err)
				}
				h.ServeHTTP(w, r.WithContext(resource.NewContext(r.Context(), p)))
			})
		},
	} {
		began := make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		here := httptest.NewServer(wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is noticed
			began <- struct{}{}
			<-r.Context().Done()
			ended <- r.Header.Get("Name")
		})))
		open := func(name, method, token, rpc string) {
			r, err := http.NewRequestWithContext(ctx, method, here.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Mcp-Method", rpc)
			r.Header.Set("Name", name)
			go func() {
				if resp, err := http.DefaultClient.Do(r); err == nil {
					_ = resp.Body.Close()
				}
			}()
			<-began
		}
		write(t, dir, "tokens", "alice="+aliceToken+"\nalice="+other+"\nbob="+bobToken)
		if err := tokens.reload(); err != nil {
			t.Fatal(err)
		}
		open("get", http.MethodGet, aliceToken, "")
		open("listen", http.MethodPost, aliceToken, "subscriptions/listen")
		open("call", http.MethodPost, aliceToken, "tools/call")
		open("other", http.MethodGet, other, "")
		open("bob", http.MethodGet, bobToken, "")
		if name == "with issuers" {
			open("issued", http.MethodGet, "of an issuer", "")
		}
		write(t, dir, "tokens", "bob="+bobToken+"\nalice="+other)
		if err := tokens.reload(); err != nil {
			t.Fatal(err)
		}
		if a, b := <-ended, <-ended; a+b != "getlisten" && a+b != "listenget" {
			t.Errorf("%s: %s and %s ended", name, a, b)
		}
		if len(ended) != 0 {
			t.Errorf("%s: %s ended", name, <-ended)
		}
		leave()
		here.Close()
		for len(ended) > 0 {
			<-ended
		}
	}
	// A token that is taken away between its check and the stream.
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	gone := staticToken{name: "alice"}
	tokens.whileValid(http.NotFoundHandler()).ServeHTTP(w, r.WithContext(resource.NewContext(r.Context(), gone.principal())))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d", w.Code)
	}
}

// verifier takes every token for that of one principal.
type verifier struct{ p *resource.Principal }

func (v verifier) Verify(context.Context, string) (*resource.Principal, error) { return v.p, nil }
