// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"net/http"
	"testing"
)

// refused makes a request the way a transport does that adds the token itself,
// and asks Authorize what to do.
func refused(t *testing.T, f *fake, c *Client, token string) (status int, err error) {
	t.Helper()
	req, reqErr := http.NewRequestWithContext(t.Context(), http.MethodGet, f.resource(), nil)
	if reqErr != nil {
		t.Fatal(reqErr)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, reqErr := http.DefaultTransport.RoundTrip(req)
	if reqErr != nil {
		t.Fatal(reqErr)
	}
	if resp.StatusCode == http.StatusOK {
		drain(resp.Body)
		return resp.StatusCode, nil
	}
	return resp.StatusCode, c.Authorize(t.Context(), req, resp)
}

func TestAuthorize(t *testing.T) {
	f := newFake(t)
	c := f.client()
	token := func() string {
		token, err := c.TokenSource(t.Context()).Token()
		if err != nil {
			t.Fatal(err)
		}
		return token.AccessToken
	}
	step := func(name, sent string, wantStatus, wantLogins, wantTokens int) {
		t.Helper()
		status, err := refused(t, f, c, sent)
		if err != nil || status != wantStatus {
			t.Errorf("%s: status %d, %v", name, status, err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if logins, tokens := logins(f), len(f.forms); logins != wantLogins || tokens != wantTokens {
			t.Errorf("%s: %d logins and %d token requests, want %d and %d", name, logins, tokens, wantLogins, wantTokens)
		}
	}
	step("first", "", 401, 1, 1)
	old := token()
	step("accepted", old, 200, 1, 1)
	f.expire()
	step("refused token", old, 401, 1, 2)
	step("an older one", old, 401, 1, 2)
	f.needScope = func(*http.Request) string { return "write" }
	step("step-up", token(), 403, 2, 3)
	if got := f.lastAsked().Get("scope"); got != "write" {
		t.Errorf("asked for %q", got)
	}
	step("now allowed", token(), 200, 2, 3)
	f.revoke()
	step("revoked", token(), 401, 3, 5) // the refresh is refused first
}

// logins counts the codes that were redeemed; f.mu is held.
func logins(f *fake) int {
	n := 0
	for _, form := range f.forms {
		if form.Get("grant_type") == GrantAuthorizationCode {
			n++
		}
	}
	return n
}

func TestAuthorizeGivesUp(t *testing.T) {
	f := newFake(t)
	c := f.client()
	token, err := c.Authenticate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.status("/mcp", 403)
	_, err = refused(t, f, c, token.AccessToken)
	wantError(t, err, "403", "no remedy")
	// A request to elsewhere gets no token of this resource.
	other := newFake(t)
	_, err = refused(t, other, c, "")
	wantError(t, err, "another origin")
}
