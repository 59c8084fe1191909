// SPDX-License-Identifier: Apache-2.0

package clientdoc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

const id = "https://app.example/client.json"

func documentOf(id string, members ...string) string {
	var text strings.Builder
	text.WriteString(fmt.Sprintf(`{"client_id": %q, "client_name": "App", "redirect_uris": ["https://app.example/callback"]`, id))
	for _, member := range members {
		text.WriteString(", " + member)
	}
	return text.String() + "}"
}

// site answers all requests with a document.
type site string

func (s site) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(s))),
	}, nil
}

func TestRead(t *testing.T) {
	check := func(m *oauthdyn.ClientMetadata) error {
		m.GrantTypes = []string{"authorization_code"}
		return nil
	}
	r := NewReader(Options{Transport: site(documentOf(id, `"logo_uri": null`)), Check: check})
	defer r.Close()
	for range 2 { // what a caller does to it is not seen by others
		m, err := r.Read(t.Context(), id)
		if err != nil || m.ClientName != "App" || m.TokenEndpointAuthMethod != "none" || m.RedirectURIs[0] != "https://app.example/callback" || m.GrantTypes[0] != "authorization_code" {
			t.Fatalf("got %+v, %v", m, err)
		}
		m.RedirectURIs[0], m.GrantTypes[0] = "", ""
	}
	refusing := NewReader(Options{Transport: site(documentOf(id)), Check: func(*oauthdyn.ClientMetadata) error { return errors.New("no such app") }})
	defer refusing.Close()
	if _, err := refusing.Read(t.Context(), id); err == nil || !strings.Contains(err.Error(), "no such app") {
		t.Errorf("got %v", err)
	}
}

func TestS76Refused(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"no JSON":          {"hello", "not valid JSON"},
		"no UTF-8":         {documentOf(id, "\"x\": \"\xff\""), "UTF-8"},
		"twice":            {documentOf(id, `"client_id": "`+id+`"`), "repeated"},
		"other":            {documentOf("https://app.example/other.json"), "its own address"},
		"other case":       {documentOf("https://App.example/client.json"), "its own address"},
		"slash":            {documentOf(id + "/"), "its own address"},
		"secret":           {documentOf(id, `"client_secret": "hush"`), "secret"},
		"null secret":      {documentOf(id, `"client_secret": null`), "client_secret"},
		"secret's end":     {documentOf(id, `"client_secret_expires_at": 0`), "client_secret_expires_at"},
		"symmetric method": {documentOf(id, `"token_endpoint_auth_method": "client_secret_post"`), "has to be none or private_key_jwt"},
		"symmetric list":   {documentOf(id, `"token_endpoint_auth_methods_supported": ["client_secret_jwt"]`), "has to be none or private_key_jwt"},
		"nameless":         {`{"client_id": "` + id + `"}`, "client_name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(id, []byte(test.body))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// ChatGPT's document would rather use a key, and can do without.
func TestMethodsOfADocument(t *testing.T) {
	for members, want := range map[string][]string{
		`"x": 1`:                               {"none"},
		`"token_endpoint_auth_method": "none"`: {"none"},
		`"token_endpoint_auth_method": "private_key_jwt"`:                                                                              {"private_key_jwt"},
		`"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"]`:        {"private_key_jwt", "none"},
		`"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]`:                                                         {"private_key_jwt", "none"},
		`"token_endpoint_auth_methods_supported": ["client_secret_basic", "none"]`:                                                     {"none"},
		`"token_endpoint_auth_method": "client_secret_basic", "token_endpoint_auth_methods_supported": ["client_secret_basic","none"]`: {"none"},
	} {
		m, err := parse(id, []byte(documentOf(id, members)))
		if err != nil || m.TokenEndpointAuthMethod != want[0] || !slices.Equal(m.TokenEndpointAuthMethodsSupported, want) {
			t.Errorf("%s: %+v %v", members, m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(documentOf(id)))
	f.Add([]byte(documentOf(id, `"client_secret": null`, `"grant_types": ["x"]`)))
	f.Add([]byte(documentOf(id, `"token_endpoint_auth_method": "private_key_jwt"`, `"token_endpoint_auth_methods_supported": ["none"]`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parse(id, body)
		if err == nil && (m.ClientName == "" || m.TokenEndpointAuthMethod != "none" && m.TokenEndpointAuthMethod != "private_key_jwt") {
			t.Errorf("%s is accepted as %+v", body, m)
		}
	})
}
