// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

const (
	callback = "https://client.example/callback"
	verifier = "a-verifier-that-is-long-enough-for-rfc-7636-0123456789"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// A harness drives the endpoints by hand, one request at a time.
type harness struct {
	*oauthdyntest.Server
	t *testing.T

	publics int
}

func newHarness(t *testing.T, o *oauthdyntest.Options) *harness {
	return &harness{Server: oauthdyntest.New(t, o), t: t}
}

// noRedirects shows redirects instead of following them.
var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// send sends a request and decodes the JSON body into v if v is not nil.
func send(t *testing.T, req *http.Request, v any) *http.Response {
	t.Helper()
	res, err := noRedirects.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatalf("%s %s: %s: body %q: %v", req.Method, req.URL, res.Status, data, err)
		}
	}
	return res
}

func newRequest(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// register registers a client and fails the test if that is refused.
func (h *harness) register(metadata string) *oauthdyn.ClientInformation {
	h.t.Helper()
	info := &oauthdyn.ClientInformation{}
	req := newRequest(h.t, "POST", h.Issuer+"/register", metadata)
	req.Header.Set("Content-Type", "application/json")
	if res := send(h.t, req, info); res.StatusCode != http.StatusCreated {
		h.t.Fatalf("register: %s", res.Status)
	}
	return info
}

// public registers a public client with our callback, another one each time.
func (h *harness) public() *oauthdyn.ClientInformation {
	h.t.Helper()
	h.publics++
	return h.register(fmt.Sprintf(`{"redirect_uris":[%q],"token_endpoint_auth_method":"none","client_name":"Test client","software_version":"%d"}`, callback, h.publics))
}

// authorizeURL returns a valid authorization URL; edits replace parameters, and
// remove them when they are empty.
func (h *harness) authorizeURL(clientID string, edits ...string) string {
	params := url.Values{
		"response_type":         {"code"},
		"client_id":             {clientID},
		"redirect_uri":          {callback},
		"state":                 {"the state"},
		"code_challenge":        {challengeOf(verifier)},
		"code_challenge_method": {"S256"},
		"resource":              {h.ResourceURL},
	}
	edit(params, edits)
	return h.Issuer + "/authorize?" + params.Encode()
}

// edit applies pairs of name and value.
func edit(params url.Values, edits []string) {
	for i := 0; i+1 < len(edits); i += 2 {
		if edits[i+1] == "" {
			params.Del(edits[i])
		} else {
			params.Set(edits[i], edits[i+1])
		}
	}
}

// code signs in at a fresh browser and returns the authorization code.
func (h *harness) code(clientID string, edits ...string) string {
	h.t.Helper()
	at, err := h.Browser().Authorize(h.t.Context(), h.authorizeURL(clientID, edits...))
	if err != nil {
		h.t.Fatal(err)
	}
	code := at.Query().Get("code")
	if code == "" {
		h.t.Fatalf("no code in %s", at)
	}
	return code
}

// tokenReply is a reply of the token endpoint, good or bad.
type tokenReply struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	oauthdyn.Error
	Status int         `json:"-"`
	Header http.Header `json:"-"`
}

// token sends a token request.
func (h *harness) token(form url.Values, headers ...string) tokenReply {
	h.t.Helper()
	req := newRequest(h.t, "POST", h.Issuer+"/token", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	var reply tokenReply
	res := send(h.t, req, &reply)
	reply.Status, reply.Header = res.StatusCode, res.Header
	return reply
}

// redeemForm returns the form that redeems a code of a public client.
func (h *harness) redeemForm(clientID, code string, edits ...string) url.Values {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {clientID},
		"code":          {code},
		"code_verifier": {verifier},
		"redirect_uri":  {callback},
		"resource":      {h.ResourceURL},
	}
	edit(form, edits)
	return form
}

func refreshForm(clientID, token string, edits ...string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}}
	edit(form, edits)
	return form
}

// login registers, signs in and redeems the code.
func (h *harness) login() (*oauthdyn.ClientInformation, tokenReply) {
	h.t.Helper()
	client := h.public()
	reply := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID)))
	if reply.Status != http.StatusOK {
		h.t.Fatalf("token: %d %v", reply.Status, &reply.Error)
	}
	return client, reply
}

// call calls the protected resource and returns the status and the body.
func (h *harness) call(accessToken string) (int, string) {
	h.t.Helper()
	req := newRequest(h.t, "GET", h.ResourceURL, "")
	req.Header.Set("Authorization", "Bearer "+accessToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func TestA1A8S51WholeFlow(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{
		Scopes: []string{"mcp"},
		Adjust: noGrace,
	})
	client, first := h.login()
	if first.TokenType != "Bearer" || first.ExpiresIn != 900 || first.Scope != "mcp" || first.RefreshToken == "" {
		t.Errorf("token response: %+v", first)
	}
	if got := first.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if status, body := h.call(first.AccessToken); status != 200 || body != "hello alice\n" {
		t.Errorf("call: %d %q", status, body)
	}

	second := h.token(refreshForm(client.ClientID, first.RefreshToken))
	if second.Status != 200 || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken || second.Scope != "mcp" {
		t.Fatalf("refresh: %d %+v", second.Status, second.Error)
	}
	if status, _ := h.call(second.AccessToken); status != 200 {
		t.Errorf("call with refreshed token: %d", status)
	}

	replayed := h.token(refreshForm(client.ClientID, first.RefreshToken))
	if replayed.Status != 400 || replayed.Code != oauthdyn.CodeInvalidGrant {
		t.Errorf("replay: %d %v", replayed.Status, &replayed.Error)
	}
	dead := h.token(refreshForm(client.ClientID, second.RefreshToken))
	if dead.Status != 400 || dead.Code != oauthdyn.CodeInvalidGrant {
		t.Errorf("successor after replay: %d %v, want the family revoked", dead.Status, &dead.Error)
	}
}

func TestA1ConfidentialClients(t *testing.T) {
	h := newHarness(t, nil)
	for _, method := range []string{"", oauthdyn.AuthMethodClientSecretBasic, oauthdyn.AuthMethodClientSecretPost} {
		member := ""
		if method != "" {
			member = `,"token_endpoint_auth_method":"` + method + `"`
		}
		client := h.register(`{"redirect_uris":["` + callback + `"]` + member + `}`)
		if client.ClientSecret == "" || client.ClientSecretExpiresAt == nil {
			t.Fatalf("method %q: no secret", method)
		}
		form := h.redeemForm(client.ClientID, h.code(client.ClientID), "client_id", "")
		var reply tokenReply
		if method == oauthdyn.AuthMethodClientSecretPost {
			form.Set("client_id", client.ClientID)
			form.Set("client_secret", client.ClientSecret)
			reply = h.token(form)
		} else {
			reply = h.token(form, "Authorization", basic(client.ClientID, client.ClientSecret))
		}
		if reply.Status != 200 {
			t.Errorf("method %q: %d %v", method, reply.Status, &reply.Error)
		}
	}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString(fmt.Append(nil, url.QueryEscape(id), ":", url.QueryEscape(secret)))
}

func TestA12A13S20SecondLoginOfABrowser(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public()
	b := h.Browser()
	ctx := context.Background()
	if _, err := b.Authorize(ctx, h.authorizeURL(client.ClientID)); err != nil {
		t.Fatal(err)
	}
	// Session and approval exist: no page is shown, so that no password is needed.
	b.Password = "wrong"
	if _, err := b.Authorize(ctx, h.authorizeURL(client.ClientID)); err != nil {
		t.Errorf("approved client: %v", err)
	}
	// S20: a new client has to ask, although the person is signed in.
	other := h.public()
	b.Deny = true
	at, err := b.Authorize(ctx, h.authorizeURL(other.ClientID))
	if err != nil {
		t.Fatal(err)
	}
	if got := at.Query().Get("error"); got != oauthdyn.CodeAccessDenied {
		t.Errorf("new client with a live session: %s", at)
	}
}
