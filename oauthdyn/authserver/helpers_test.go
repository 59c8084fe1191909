// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// noGrace makes each second use of a refresh token a replay.
func noGrace(o *authserver.Options) { o.RefreshGrace = -1 }

// page sends a request, without cookies and without following redirects, and
// returns the body.
func (h *harness) page(req *http.Request) (*http.Response, string) {
	h.t.Helper()
	return fetch(h.t, noRedirects, req)
}

func fetch(t *testing.T, client *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// decodeError reads an error response.
func decodeError(t *testing.T, body string, e *oauthdyn.Error) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), e); err != nil || e.Code == "" {
		t.Errorf("body %q is not a JSON error", body)
	}
}

// tokenClaims decodes the claims of a token without checking it.
func tokenClaims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(data, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func audience(t *testing.T, token string) []string {
	t.Helper()
	switch aud := tokenClaims(t, token)["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, a := range aud {
			all = append(all, a.(string))
		}
		return all
	}
	t.Fatal("no audience")
	return nil
}

var hiddenField = regexp.MustCompile(`name="(tx|csrf)" value="([^"]*)"`)

// hidden returns the hidden fields of a page's form.
func hidden(body string) (tx, csrf string) {
	for _, m := range hiddenField.FindAllStringSubmatch(body, -1) {
		if m[1] == "tx" {
			tx = m[2]
		} else {
			csrf = m[2]
		}
	}
	return tx, csrf
}
