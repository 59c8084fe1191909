// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// A registrar registers clients and manages them.
type registrar struct {
	t      *testing.T
	server http.Handler
}

func (r registrar) register(metadata string) *oauthdyn.ClientInformation {
	r.t.Helper()
	rec := do(r.server, "POST", "/register", metadata, "Content-Type", jsonType)
	info := &oauthdyn.ClientInformation{}
	if err := json.Unmarshal(rec.Body.Bytes(), info); err != nil || rec.Code != http.StatusCreated {
		r.t.Fatalf("register: %d %s", rec.Code, rec.Body)
	}
	return info
}

// manage sends a request about a client; an empty token sends none.
func (r registrar) manage(method, uri, token, body string) *httptest.ResponseRecorder {
	r.t.Helper()
	headers := []string{"Content-Type", jsonType}
	if token != "" {
		headers = append(headers, "Authorization", "bearer "+token)
	}
	return do(r.server, method, uri, body, headers...)
}

// info is manage for what must succeed.
func (r registrar) info(method, uri, token, body string) *oauthdyn.ClientInformation {
	r.t.Helper()
	rec := r.manage(method, uri, token, body)
	info := &oauthdyn.ClientInformation{}
	if err := json.Unmarshal(rec.Body.Bytes(), info); err != nil || rec.Code != http.StatusOK || rec.Header().Get("Cache-Control") != "no-store" || strings.Contains(rec.Body.String(), "null") {
		r.t.Fatalf("%s: %d %v %s", method, rec.Code, rec.Header(), rec.Body)
	}
	return info
}

const twoURIs = `"redirect_uris":["https://c.example/cb","https://c.example/two"]`

func TestS64ReadAndReplace(t *testing.T) {
	db := memory.New(nil)
	r := registrar{t, mustServer(t, func(o *authserver.Options) { o.Store = db })}
	first := r.register(`{` + twoURIs + `,"client_name":"First","contacts":["x@y"],"token_endpoint_auth_method":"none"}`)
	uri, token := first.RegistrationClientURI, first.RegistrationAccessToken
	read := r.info("GET", uri, token, "")
	if read.ClientID != first.ClientID || read.ClientName != "First" || read.RegistrationAccessToken != token || read.RegistrationClientURI != uri ||
		read.ClientIDIssuedAt != first.ClientIDIssuedAt || read.ClientSecret != "" {
		t.Errorf("read: %+v of %s", read.ClientMetadata, read)
	}

	// What is left out is gone. What the client may not say counts for nothing.
	replaced := r.info("PUT", uri, token, fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://c.example/three"],"token_endpoint_auth_method":"none",
		"client_id_issued_at":7,"registration_access_token":"mine","registration_client_uri":"https://evil.example"}`, first.ClientID))
	if replaced.ClientName != "" || replaced.Contacts != nil || !slices.Equal(replaced.RedirectURIs, []string{"https://c.example/three"}) ||
		replaced.ClientIDIssuedAt != first.ClientIDIssuedAt || replaced.RegistrationClientURI != uri {
		t.Errorf("replaced: %+v", replaced.ClientMetadata)
	}
	next := replaced.RegistrationAccessToken
	if next == token || next == "mine" || len(next) != 43 {
		t.Error("the registration access token was not rotated")
	}
	stored, err := db.Client(t.Context(), first.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := json.Marshal(stored); err != nil || strings.Contains(string(data), next) || strings.Contains(string(data), token) {
		t.Errorf("the store holds a registration access token: %s, %v", data, err)
	}

	// The reply may have been lost: the old token is good until the new one is used.
	for range 2 {
		if again := r.info("GET", uri, token, ""); again.RegistrationAccessToken != token {
			t.Error("read with the old token gives another")
		}
	}
	r.info("GET", uri, next, "")
	if rec := r.manage("GET", uri, token, ""); rec.Code != 401 {
		t.Errorf("old token after the new one was used: %d", rec.Code)
	}
	lost := r.info("PUT", uri, next, fmt.Sprintf(`{"client_id":%q,%s}`, first.ClientID, twoURIs))
	retried := r.info("PUT", uri, next, fmt.Sprintf(`{"client_id":%q,%s,"client_name":"Retried"}`, first.ClientID, twoURIs))
	if rec := r.manage("GET", uri, lost.RegistrationAccessToken, ""); rec.Code != 401 {
		t.Errorf("token of a lost reply: %d", rec.Code)
	}
	if read := r.info("GET", uri, retried.RegistrationAccessToken, ""); read.ClientName != "Retried" {
		t.Errorf("after a retry: %+v", read.ClientMetadata)
	}
}

// A client that becomes confidential gets a secret; one that is keeps it.
func TestS64Secrets(t *testing.T) {
	db := memory.New(nil)
	r := registrar{t, mustServer(t, func(o *authserver.Options) { o.Store = db })}
	info := r.register(`{` + twoURIs + `,"token_endpoint_auth_method":"none"}`)
	uri := info.RegistrationClientURI
	put := func(more string) *oauthdyn.ClientInformation {
		t.Helper()
		info = r.info("PUT", uri, info.RegistrationAccessToken, fmt.Sprintf(`{"client_id":%q,%s%s}`, info.ClientID, twoURIs, more))
		return info
	}
	fits := func(secret string) bool {
		c, err := db.Client(t.Context(), info.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		return c.Secret.Equal(store.HashOf(secret))
	}
	secret := put("").ClientSecret // client_secret_basic is the default
	if secret == "" || info.ClientSecretExpiresAt == nil || !fits(secret) {
		t.Fatal("no secret")
	}
	if again := put(`,"token_endpoint_auth_method":"client_secret_post","client_secret":"` + secret + `"`); again.ClientSecret != "" || !fits(secret) {
		t.Error("the secret changed")
	}
	rec := r.manage("PUT", uri, info.RegistrationAccessToken, fmt.Sprintf(`{"client_id":%q,%s,"client_secret":"chosen"}`, info.ClientID, twoURIs))
	if rec.Code != 400 || !fits(secret) {
		t.Errorf("a secret was chosen: %d", rec.Code)
	}
	if public := put(`,"token_endpoint_auth_method":"none"`); public.ClientSecret != "" || fits(secret) {
		t.Error("a public client kept its secret")
	}
	if fresh := put("").ClientSecret; fresh == "" || fresh == secret {
		t.Error("the secret came back")
	}
}

func TestS64S67Refusals(t *testing.T) {
	db := memory.New(nil)
	s := mustServer(t, func(o *authserver.Options) { o.Store = db })
	r := registrar{t, s}
	a, b := r.register(`{`+twoURIs+`}`), r.register(`{`+twoURIs+`}`)
	gone := r.register(`{` + twoURIs + `}`)
	if rec := r.manage("DELETE", gone.RegistrationClientURI, gone.RegistrationAccessToken, ""); rec.Code != 204 || rec.Body.Len() != 0 {
		t.Fatalf("delete: %d %s", rec.Code, rec.Body)
	}
	base := "https://auth.example/register/"
	var answers []string
	for name, test := range map[string]struct{ uri, token string }{
		"wrong token":      {a.RegistrationClientURI, "x"},
		"another client's": {a.RegistrationClientURI, b.RegistrationAccessToken},
		"secret":           {a.RegistrationClientURI, a.ClientSecret},
		"deleted client":   {gone.RegistrationClientURI, gone.RegistrationAccessToken},
		"unknown client":   {base + "client_unknown", a.RegistrationAccessToken},
		"no client":        {base, a.RegistrationAccessToken},
		"path below":       {a.RegistrationClientURI + "/", a.RegistrationAccessToken},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			rec := r.manage(method, test.uri, test.token, `{}`)
			answers = append(answers, fmt.Sprint(rec.Code, rec.Header(), rec.Body))
			if rec.Code != 401 || !strings.Contains(rec.Header().Get("WWW-Authenticate"), `error="invalid_token"`) || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %d %v %s", name, method, rec.Code, rec.Header(), rec.Body)
			}
		}
	}
	if slices.Sort(answers); len(slices.Compact(answers)) != 1 {
		t.Errorf("the answers differ: %q", slices.Compact(answers))
	}
	// The token comes in the header, once, or not at all.
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"none":     do(s, "GET", a.RegistrationClientURI, ""),
		"in query": do(s, "GET", a.RegistrationClientURI+"?access_token="+a.RegistrationAccessToken, ""),
		"in basic": do(s, "GET", a.RegistrationClientURI, "", "Authorization", basic(a.ClientID, a.RegistrationAccessToken)),
	} {
		if rec.Code != 401 {
			t.Errorf("token %s: %d", name, rec.Code)
		}
	}
	req := httptest.NewRequest("GET", a.RegistrationClientURI, nil)
	req.Header["Authorization"] = []string{"Bearer " + a.RegistrationAccessToken, "Bearer x"}
	rec := httptest.NewRecorder()
	if s.ServeHTTP(rec, req); rec.Code != 401 {
		t.Errorf("two tokens: %d", rec.Code)
	}
	if rec := r.manage("POST", a.RegistrationClientURI, a.RegistrationAccessToken, "{}"); rec.Code != 405 || !strings.Contains(rec.Header().Get("Allow"), "DELETE") {
		t.Errorf("POST: %d %v", rec.Code, rec.Header())
	}
	if h := do(s, "OPTIONS", a.RegistrationClientURI, "").Header(); !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("preflight: %v", h)
	}

	// Updates that are refused change nothing, not even the token.
	id := fmt.Sprintf(`"client_id":%q`, a.ClientID)
	for name, body := range map[string]string{
		"no id": `{` + twoURIs + `}`, "another id": fmt.Sprintf(`{"client_id":%q,%s}`, b.ClientID, twoURIs), "id is a number": `{"client_id":7,` + twoURIs + `}`,
		"no URIs": `{` + id + `}`, "S2 bad URI": `{` + id + `,"redirect_uris":["javascript:x"]}`, "S63 repeated": `{` + id + `,` + id + `,` + twoURIs + `}`, "nothing": ``,
	} {
		if rec := r.manage("PUT", a.RegistrationClientURI, a.RegistrationAccessToken, body); rec.Code != 400 || !strings.Contains(rec.Body.String(), `"invalid_`) {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	if rec := r.manage("PUT", a.RegistrationClientURI, a.RegistrationAccessToken, `{`+id+`,"x":"`+strings.Repeat("x", 16<<10)+`"}`); rec.Code != 413 {
		t.Errorf("long: %d", rec.Code)
	}
	if read := r.info("GET", a.RegistrationClientURI, a.RegistrationAccessToken, ""); len(read.RedirectURIs) != 2 {
		t.Errorf("after refused updates: %+v", read.ClientMetadata)
	}

	// S67: closed registration.
	closed := mustServer(t, func(o *authserver.Options) { o.InitialAccessTokens = []string{longSecret + " 1", longSecret + "2"} })
	for header, want := range map[string]int{
		"": 401, "Bearer x": 401, "Bearer " + longSecret: 401, "Basic " + longSecret + "2": 401, "Bearer " + longSecret + "2": 201, "bearer " + longSecret + " 1": 201,
	} {
		headers := []string{"Content-Type", jsonType}
		if header != "" {
			headers = append(headers, "Authorization", header)
		}
		rec := do(closed, "POST", "/register", `{`+twoURIs+`}`, headers...)
		if rec.Code != want || (rec.Header().Get("WWW-Authenticate") != "") != (want == 401) {
			t.Errorf("initial access token %q: %d %v", header, rec.Code, rec.Header())
		}
	}
}

// Of updates at the same time, with the same token, the last one counts, and
// its token works.
func TestS64Race(t *testing.T) {
	r := registrar{t, mustServer(t, nil)}
	info := r.register(`{` + twoURIs + `}`)
	var (
		mu     sync.Mutex
		tokens []string
		all    sync.WaitGroup
	)
	for i := range 8 {
		all.Go(func() {
			rec := r.manage("PUT", info.RegistrationClientURI, info.RegistrationAccessToken, fmt.Sprintf(`{"client_id":%q,%s,"client_name":"%d"}`, info.ClientID, twoURIs, i))
			var got oauthdyn.ClientInformation
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 && rec.Code != 503 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			mu.Lock()
			defer mu.Unlock()
			if rec.Code == 200 {
				tokens = append(tokens, got.RegistrationAccessToken)
			}
		})
	}
	all.Wait()
	good := 0
	for _, token := range tokens {
		if r.manage("GET", info.RegistrationClientURI, token, "").Code == 200 {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d of %d tokens work, want one", good, len(tokens))
	}
}

// TestS64DeleteEndsGrants also tells the client so that it registers again.
func TestS64DeleteEndsGrants(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public()
	other, kept := h.login()
	b := h.Browser()
	reply := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID)))
	pending := h.code(client.ClientID)
	h.ok("control", reply.AccessToken, true)

	req := newRequest(t, "DELETE", client.RegistrationClientURI, "")
	req.Header.Set("Authorization", "Bearer "+client.RegistrationAccessToken)
	if res, body := h.page(req); res.StatusCode != 204 || body != "" {
		t.Fatalf("delete: %s %q", res.Status, body)
	}
	h.ok("access token of the deleted client", reply.AccessToken, false)
	h.ok("another client's", kept.AccessToken, true)
	wantError(t, h.token(refreshForm(client.ClientID, reply.RefreshToken)), 401, oauthdyn.CodeInvalidClient)
	wantError(t, h.token(h.redeemForm(client.ClientID, pending)), 401, oauthdyn.CodeInvalidClient)
	if _, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID)); err == nil {
		t.Error("the deleted client can ask people")
	}
	if _, answer := h.introspect(basic(oauthdyntest.ResourceServerID, oauthdyntest.ResourceServerSecret), url.Values{"token": {reply.AccessToken}}); answer["active"] != false {
		t.Errorf("introspection: %v", answer)
	}
	if reply := h.token(refreshForm(other.ClientID, kept.RefreshToken)); reply.Status != 200 {
		t.Errorf("another client's refresh token: %d", reply.Status)
	}
}

// S65: a client that says something else of itself has to be looked at again.
func TestS65UpdateLosesApprovals(t *testing.T) {
	for name, test := range map[string]struct {
		metadata string
		asked    bool
	}{
		"the same":          {`"redirect_uris":["` + callback + `"],"client_name":"Test client","contacts":["x@y"]`, false},
		"another name":      {`"redirect_uris":["` + callback + `"],"client_name":"Your bank"`, true},
		"another home page": {`"redirect_uris":["` + callback + `"],"client_name":"Test client","client_uri":"https://bank.example"`, true},
		"another URI":       {`"redirect_uris":["` + callback + `","https://client.example/other"],"client_name":"Test client"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			client := h.public()
			b := h.Browser()
			if _, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID)); err != nil {
				t.Fatal(err)
			}
			r := registrar{t, h.AuthServer}
			r.info("PUT", client.RegistrationClientURI, client.RegistrationAccessToken,
				`{"client_id":"`+client.ClientID+`","token_endpoint_auth_method":"none",`+test.metadata+`}`)
			b.Deny = true // on a page, if there is one
			at, err := b.Authorize(t.Context(), h.authorizeURL(client.ClientID))
			if err != nil {
				t.Fatal(err)
			}
			if asked := at.Query().Get("error") == oauthdyn.CodeAccessDenied; asked != test.asked || asked == at.Query().Has("code") {
				t.Errorf("asked again: %v, want %v; %s", asked, test.asked, at)
			}
		})
	}
}

// A code for a URI that the client has taken out since is worth nothing.
func TestCodeForAnURIThatIsGone(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public()
	code := h.code(client.ClientID)
	registrar{t, h.AuthServer}.info("PUT", client.RegistrationClientURI, client.RegistrationAccessToken,
		`{"client_id":"`+client.ClientID+`","token_endpoint_auth_method":"none","redirect_uris":["https://client.example/other"]}`)
	wantError(t, h.token(h.redeemForm(client.ClientID, code)), 400, oauthdyn.CodeInvalidGrant)
}

// Our own client manages its registration here, and registers again when it is
// gone.
func TestClientManagesItsRegistration(t *testing.T) {
	h := newHarness(t, nil)
	ctx := t.Context()
	c, err := oauthdyn.New(oauthdyn.Config{Resource: h.ResourceURL, OpenURL: h.Browser().Open, ClientName: "Before"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Authenticate(ctx); err != nil {
		t.Fatal(err)
	}
	read, err := c.ReadRegistration(ctx)
	if err != nil || read.ClientName != "Before" {
		t.Fatalf("%v, %v", read, err)
	}
	for _, name := range []string{"After", "Later"} {
		if info, err := c.UpdateRegistration(ctx, func(m *oauthdyn.ClientMetadata) { m.ClientName = name }); err != nil || info.ClientName != name || info.ClientID != read.ClientID {
			t.Fatalf("%v, %v", info, err)
		}
	}
	if err := c.DeleteRegistration(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Store.Client(ctx, read.ClientID); err == nil {
		t.Error("the client is still there")
	}
	again, err := c.Authenticate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := tokenClaims(t, again.AccessToken)["client_id"].(string)
	if id == read.ClientID {
		t.Error("not registered again")
	}
	// An administrator deletes it: the client hears invalid_client, and registers.
	if err := h.Store.DeleteClient(ctx, id); err != nil {
		t.Fatal(err)
	}
	again, err = c.Authenticate(ctx)
	if err != nil || tokenClaims(t, again.AccessToken)["client_id"] == id {
		t.Errorf("after the administrator: %v", err)
	}
}

// FuzzReplace looks for updates that are neither done nor refused properly.
func FuzzReplace(f *testing.F) {
	for _, seed := range []string{`{"client_id":"ID","redirect_uris":["https://c.example/cb"]}`, `{"client_id":null}`, `{"client_id":"ID","client_secret":7}`, `[]`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := registrar{t, mustServer(t, nil)}
		info := r.register(`{` + twoURIs + `}`)
		rec := r.manage("PUT", info.RegistrationClientURI, info.RegistrationAccessToken, strings.ReplaceAll(body, "ID", info.ClientID))
		var got struct {
			ClientID string `json:"client_id"`
			Error    string `json:"error"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
		}
		if rec.Code == 200 && got.ClientID != info.ClientID || rec.Code != 200 && got.Error == "" || rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
}
