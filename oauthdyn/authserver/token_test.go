// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

func TestAccessToken(t *testing.T) { // RFC 9068 section 2.2
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a", "b"}})
	client, reply := h.login()
	claims := tokenClaims(t, reply.AccessToken)
	for name, want := range map[string]any{
		"iss": h.Issuer, "sub": "local:alice", "aud": h.ResourceURL, "client_id": client.ClientID, "scope": "a b", "preferred_username": "alice",
	} {
		if claims[name] != want {
			t.Errorf("%s: %v, want %v", name, claims[name], want)
		}
	}
	if claims["exp"].(float64)-claims["iat"].(float64) != 900 || claims["jti"] == "" || claims["sid"] == "" || len(claims) != 10 {
		t.Errorf("claims %v", claims)
	}
}

// wantError checks an error response: RFC 6749 section 5.2.
func wantError(t *testing.T, reply tokenReply, status int, code string) {
	t.Helper()
	if reply.Status != status || reply.Code != code || reply.Description == "" || reply.AccessToken != "" ||
		reply.Header.Get("Cache-Control") != "no-store" || reply.Header.Get("Content-Type") != "application/json" { // S51
		t.Errorf("%d %v %v, want %d %s", reply.Status, &reply.Error, reply.Header, status, code)
	}
}

func TestS9S40S42S43S46RedeemRefusals(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a"}, Resources: []authserver.Resource{{URI: "https://second.example/mcp"}}})
	client, other := h.public().ClientID, h.public().ClientID
	code := h.code(client)
	for _, test := range []struct {
		name  string
		edits []string
		code  string
	}{
		{"no code", []string{"code", ""}, oauthdyn.CodeInvalidRequest},
		{"unknown code", []string{"code", "x"}, oauthdyn.CodeInvalidGrant},
		{"S43 other client", []string{"client_id", other}, oauthdyn.CodeInvalidGrant},
		{"S9 no verifier", []string{"code_verifier", ""}, oauthdyn.CodeInvalidRequest},
		{"S42 wrong verifier", []string{"code_verifier", strings.Repeat("x", 43)}, oauthdyn.CodeInvalidGrant},
		{"S42 wrong redirect", []string{"redirect_uri", "https://client.example/other"}, oauthdyn.CodeInvalidGrant},
		{"S46 resource not asked for", []string{"resource", "https://second.example/mcp"}, oauthdyn.CodeInvalidTarget},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, h.token(h.redeemForm(client, code, test.edits...)), 400, test.code)
		})
	}
	// S42: all that has not cost the rightful client its code.
	if reply := h.token(h.redeemForm(client, code)); reply.Status != 200 {
		t.Errorf("rightful client: %d %v", reply.Status, &reply.Error)
	}

	for _, bad := range []string{strings.Repeat("x", 42), strings.Repeat("x", 129), strings.Repeat("x", 43) + "+", strings.Repeat("ä", 30)} {
		reply := h.token(h.redeemForm(client, h.code(client), "code_verifier", bad))
		wantError(t, reply, 400, oauthdyn.CodeInvalidRequest)
	}
	code = h.code(client)
	for range store.MaxCodeFailures {
		wantError(t, h.token(h.redeemForm(client, code, "code_verifier", strings.Repeat("x", 43))), 400, oauthdyn.CodeInvalidGrant)
	}
	wantError(t, h.token(h.redeemForm(client, code)), 400, oauthdyn.CodeInvalidGrant) // S42: burned
}

func TestS41CodeReplayRevokes(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public().ClientID
	code := h.code(client)
	first := h.token(h.redeemForm(client, code))
	if first.Status != 200 {
		t.Fatal(first.Status)
	}
	other := h.public().ClientID
	wantError(t, h.token(h.redeemForm(other, code)), 400, oauthdyn.CodeInvalidGrant) // S43: of no effect
	second := h.token(refreshForm(client, first.RefreshToken))
	if second.Status != 200 {
		t.Fatalf("after another client's try: %d", second.Status)
	}
	wantError(t, h.token(h.redeemForm(client, code, "code_verifier", "")), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(refreshForm(client, second.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
}

// all sends the same token request many times at once.
func (h *harness) all(form url.Values) map[int][]tokenReply {
	h.t.Helper()
	var (
		mu      sync.Mutex
		replies = map[int][]tokenReply{}
		each    sync.WaitGroup
	)
	for range 64 {
		each.Go(func() {
			reply := h.token(form)
			mu.Lock()
			defer mu.Unlock()
			replies[reply.Status] = append(replies[reply.Status], reply)
		})
	}
	each.Wait()
	return replies
}

func TestS40S44Races(t *testing.T) {
	h := newHarness(t, nil)
	client := h.public().ClientID
	replies := h.all(h.redeemForm(client, h.code(client)))
	if len(replies[200]) != 1 || len(replies[400]) != 63 {
		t.Errorf("one code: %d times 200, %d times 400", len(replies[200]), len(replies[400]))
	}

	_, reply := h.login()
	client = tokenClaims(t, reply.AccessToken)["client_id"].(string)
	replies = h.all(refreshForm(client, reply.RefreshToken))
	successors := map[string]bool{}
	for _, r := range replies[200] {
		successors[r.RefreshToken] = true
	}
	if len(replies[200]) != 64 || len(successors) != 1 {
		t.Fatalf("one refresh token, with grace: %d times 200 and %d successors, want one chain", len(replies[200]), len(successors))
	}
	for successor := range successors {
		if r := h.token(refreshForm(client, successor)); r.Status != 200 {
			t.Errorf("successor: %d %v", r.Status, &r.Error)
		}
	}
	wantError(t, h.token(refreshForm(client, reply.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
}

func TestS43S46RefreshRefusals(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a", "b"}, Resources: []authserver.Resource{{URI: "https://second.example/mcp", Scopes: []string{"c"}}}})
	client, reply := h.login()
	other := h.public().ClientID
	for _, test := range []struct {
		name  string
		edits []string
		code  string
	}{
		{"none", []string{"refresh_token", ""}, oauthdyn.CodeInvalidRequest},
		{"unknown", []string{"refresh_token", "x.y"}, oauthdyn.CodeInvalidGrant},
		{"no dot", []string{"refresh_token", "x"}, oauthdyn.CodeInvalidGrant},
		{"S43 other client", []string{"client_id", other}, oauthdyn.CodeInvalidGrant},
		{"S46 wider scope", []string{"scope", "a c"}, oauthdyn.CodeInvalidScope},
		{"S46 other resource", []string{"resource", "https://second.example/mcp"}, oauthdyn.CodeInvalidTarget},
		{"S46 unknown resource", []string{"resource", "https://third.example/mcp"}, oauthdyn.CodeInvalidTarget},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, h.token(refreshForm(client.ClientID, reply.RefreshToken, test.edits...)), 400, test.code)
		})
	}
	narrow := h.token(refreshForm(client.ClientID, reply.RefreshToken, "scope", "b", "resource", h.ResourceURL))
	if narrow.Status != 200 || narrow.Scope != "b" {
		t.Fatalf("narrowed: %d %v %q", narrow.Status, &narrow.Error, narrow.Scope)
	}
	if status, _ := h.call(narrow.AccessToken); status != 403 {
		t.Errorf("call with the narrowed token: %d", status)
	}
	wide := h.token(refreshForm(client.ClientID, narrow.RefreshToken))
	if wide.Status != 200 || wide.Scope != "a b" {
		t.Errorf("the grant was narrowed too: %d %q", wide.Status, wide.Scope)
	}
	// The handle of the family with another secret was never alive: somebody has
	// seen a token.
	handle, _, _ := strings.Cut(wide.RefreshToken, ".")
	forged := handle + "." + strings.Repeat("A", 43)
	wantError(t, h.token(refreshForm(client.ClientID, forged)), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(refreshForm(client.ClientID, wide.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
}

func TestOneResourceOfSeveral(t *testing.T) { // RFC 8707 section 2.2
	h := newHarness(t, &oauthdyntest.Options{Scopes: []string{"a"}, Resources: []authserver.Resource{{URI: "https://second.example/mcp", Scopes: []string{"b"}}}})
	client := h.public().ClientID
	at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client)+"&resource=https://second.example/mcp")
	if err != nil {
		t.Fatal(err)
	}
	reply := h.token(h.redeemForm(client, at.Query().Get("code")))
	if got := audience(t, reply.AccessToken); len(got) != 1 || got[0] != h.ResourceURL || reply.Scope != "a" {
		t.Errorf("audience %v, scope %q", got, reply.Scope)
	}
	reply = h.token(refreshForm(client, reply.RefreshToken, "resource", "https://second.example/mcp"))
	if got := audience(t, reply.AccessToken); len(got) != 1 || got[0] != "https://second.example/mcp" || reply.Scope != "b" {
		t.Errorf("audience %v, scope %q", got, reply.Scope)
	}
}

func TestS47S48ClientAuthentication(t *testing.T) {
	h := newHarness(t, nil)
	register := func(method string) *oauthdyn.ClientInformation {
		return h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"` + method + `"}`)
	}
	byHeader, byForm, public := register("client_secret_basic"), register("client_secret_post"), register("none")
	raw := func(credentials string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
	}
	for _, test := range []struct {
		name   string
		header string
		form   []string
		basic  bool // WWW-Authenticate is due
	}{
		{"nothing", "", nil, false},
		{"unknown", "", []string{"client_id", "client_x"}, false},
		{"unknown by header", basic("client_x", "y"), nil, true},
		{"no secret", "", []string{"client_id", byHeader.ClientID}, false},
		{"no secret in the form", "", []string{"client_id", byForm.ClientID}, false},
		{"wrong secret", basic(byHeader.ClientID, "wrong"), nil, true},
		{"wrong secret in the form", "", []string{"client_id", byForm.ClientID, "client_secret", "wrong"}, false},
		{"secret of another", basic(byHeader.ClientID, byForm.ClientSecret), nil, true},
		{"empty secret", basic(byHeader.ClientID, ""), nil, true},
		{"two methods", basic(byHeader.ClientID, byHeader.ClientSecret), []string{"client_secret", byHeader.ClientSecret}, true},
		{"two clients", basic(byHeader.ClientID, byHeader.ClientSecret), []string{"client_id", byForm.ClientID}, true},
		{"form method by header", basic(byForm.ClientID, byForm.ClientSecret), nil, true},
		{"header method by form", "", []string{"client_id", byHeader.ClientID, "client_secret", byHeader.ClientSecret}, false},
		{"not base64", "Basic !", nil, true},
		{"no colon", raw(byHeader.ClientID), nil, true},
		{"two colons", raw(byHeader.ClientID + ":" + byHeader.ClientSecret + ":"), nil, true},
		{"not form-encoded", raw(byHeader.ClientID + ":%zz"), nil, true},
		{"bearer", "Bearer " + byHeader.ClientSecret, nil, true},
		{"S48 public client with a secret", "", []string{"client_id", public.ClientID, "client_secret", "x"}, false},
		{"S48 public client with a header", basic(public.ClientID, "x"), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}
			edit(form, test.form)
			var headers []string
			if test.header != "" {
				headers = []string{"Authorization", test.header}
			}
			reply := h.token(form, headers...)
			wantError(t, reply, 401, oauthdyn.CodeInvalidClient)
			if got := reply.Header.Get("WWW-Authenticate"); strings.HasPrefix(got, "Basic ") != test.basic {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
	// What these get is about the token: they are who they say.
	for name, reply := range map[string]tokenReply{
		"header":            h.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "Authorization", basic(byHeader.ClientID, byHeader.ClientSecret)),
		"lower case scheme": h.token(refreshForm(byHeader.ClientID, "x"), "Authorization", "b"+basic(byHeader.ClientID, byHeader.ClientSecret)[1:]),
		"escaped":           h.token(refreshForm(byHeader.ClientID, "x"), "Authorization", raw(strings.ReplaceAll(byHeader.ClientID, "_", "%5F")+":"+byHeader.ClientSecret)),
		"form":              h.token(refreshForm(byForm.ClientID, "x", "client_secret", byForm.ClientSecret)),
		"public":            h.token(refreshForm(public.ClientID, "x")),
		"public by header":  h.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, "Authorization", basic(public.ClientID, "")),
	} {
		if reply.Code != oauthdyn.CodeInvalidGrant {
			t.Errorf("%s: %d %v", name, reply.Status, &reply.Error)
		}
	}
}

func TestDeletedClient(t *testing.T) {
	h := newHarness(t, nil)
	client, reply := h.login()
	if err := h.Store.DeleteClient(t.Context(), client.ClientID); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.token(refreshForm(client.ClientID, reply.RefreshToken)), 401, oauthdyn.CodeInvalidClient)
}

func TestS50S53TokenRequests(t *testing.T) {
	s := mustServer(t, nil)
	const form = "application/x-www-form-urlencoded"
	rec := do(s, "POST", "/register", `{"redirect_uris":["https://c.example/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code"]}`, "Content-Type", jsonType)
	var client oauthdyn.ClientInformation
	if err := json.Unmarshal(rec.Body.Bytes(), &client); err != nil {
		t.Fatal(err)
	}
	id := "client_id=" + client.ClientID
	for _, test := range []struct {
		name, method, target, body, contentType string
		status                                  int
		code                                    string
	}{
		{"GET", "GET", "/token?grant_type=authorization_code&" + id, "", "", 405, oauthdyn.CodeInvalidRequest},
		{"query", "POST", "/token?grant_type=authorization_code&" + id, "", form, 401, oauthdyn.CodeInvalidClient},
		{"JSON", "POST", "/token", `{"grant_type":"authorization_code"}`, jsonType, 400, oauthdyn.CodeInvalidRequest},
		{"no type", "POST", "/token", id, "", 400, oauthdyn.CodeInvalidRequest},
		{"multipart", "POST", "/token", id, "multipart/form-data; boundary=x", 400, oauthdyn.CodeInvalidRequest},
		{"malformed", "POST", "/token", id + "&x=%zz", form, 400, oauthdyn.CodeInvalidRequest},
		{"semicolons", "POST", "/token", id + ";grant_type=authorization_code", form, 400, oauthdyn.CodeInvalidRequest},
		{"long", "POST", "/token", id + "&x=" + strings.Repeat("x", 64<<10), form, 413, oauthdyn.CodeInvalidRequest},
		{"repeated", "POST", "/token", id + "&grant_type=authorization_code&code=a&code=b", form, 400, oauthdyn.CodeInvalidRequest},
		{"repeated client", "POST", "/token", id + "&" + id, form, 400, oauthdyn.CodeInvalidRequest},
		{"no grant type", "POST", "/token", id, form, 400, oauthdyn.CodeInvalidRequest},
		{"S53 unknown grant type", "POST", "/token", id + "&grant_type=password", form, 400, oauthdyn.CodeUnsupportedGrantType},
		{"S53 grant type not registered", "POST", "/token", id + "&grant_type=refresh_token", form, 400, oauthdyn.CodeUnauthorizedClient},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := do(s, test.method, test.target, test.body, "Content-Type", test.contentType)
			var reply tokenReply
			if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil {
				t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
			}
			reply.Status, reply.Header = rec.Code, rec.Header()
			wantError(t, reply, test.status, test.code)
		})
	}
}

func TestA16NoRefreshTokenUnlessRegistered(t *testing.T) {
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","grant_types":["authorization_code"]}`)
	reply := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID)))
	if reply.Status != 200 || reply.RefreshToken != "" {
		t.Errorf("%d, refresh token %v", reply.Status, reply.RefreshToken != "")
	}
}

// A clocked is a server in a bubble, with a grant.
type clocked struct {
	t      *testing.T
	server *authserver.Server
	client string
	code   string
}

// newClocked puts a code into the store as if somebody had signed in.
func newClocked(t *testing.T, edits ...func(*authserver.Options)) *clocked {
	db, users := memory.New(nil), local.New()
	if err := users.Set("alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	c := &clocked{t: t, code: "the code", client: "client_1"}
	c.server = mustServer(t, func(o *authserver.Options) {
		o.Store, o.Login = db, users
		for _, edit := range edits {
			edit(o)
		}
	})
	err := db.CreateClient(t.Context(), store.Client{ID: c.client, Metadata: oauthdyn.ClientMetadata{
		RedirectURIs: []string{callback}, TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}})
	if err == nil {
		err = db.PutCode(t.Context(), store.Code{
			Hash: store.HashOf(c.code), ClientID: c.client, RedirectURI: callback, Challenge: challengeOf(verifier),
			Subject: "local:alice", Resources: []string{"https://mcp.example/mcp"}, Expires: time.Now().Add(time.Minute),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *clocked) token(form url.Values) tokenReply {
	c.t.Helper()
	rec := do(c.server, "POST", "/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var reply tokenReply
	if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil {
		c.t.Fatal(err)
	}
	reply.Status, reply.Header = rec.Code, rec.Header()
	return reply
}

func (c *clocked) redeem() tokenReply {
	return c.token(url.Values{"grant_type": {"authorization_code"}, "client_id": {c.client}, "code": {c.code}, "code_verifier": {verifier}})
}

func TestS40CodesExpire(t *testing.T) {
	for wait, status := range map[time.Duration]int{time.Minute - 1: 200, time.Minute: 400} {
		synctest.Test(t, func(t *testing.T) {
			c := newClocked(t)
			time.Sleep(wait)
			if reply := c.redeem(); reply.Status != status {
				t.Errorf("after %v: %d", wait, reply.Status)
			}
		})
	}
}

func TestS44S45RefreshGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(t)
		first := c.redeem().RefreshToken
		refresh := func(token string) tokenReply { return c.token(refreshForm(c.client, token)) }
		lost := refresh(first) // its reply never arrived
		time.Sleep(time.Minute - 1)
		again := refresh(first)
		if again.Status != 200 || again.RefreshToken != lost.RefreshToken {
			t.Fatalf("retry within grace: %d, same successor %v", again.Status, again.RefreshToken == lost.RefreshToken)
		}
		next := refresh(again.RefreshToken)
		if next.Status != 200 {
			t.Fatalf("successor: %d", next.Status)
		}
		time.Sleep(time.Minute)
		wantError(t, refresh(again.RefreshToken), 400, oauthdyn.CodeInvalidGrant)
		wantError(t, refresh(next.RefreshToken), 400, oauthdyn.CodeInvalidGrant)
	})
}

func TestS46GrantLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(t)
		reply := c.redeem()
		start := time.Now()
		for time.Since(start) < 170*24*time.Hour {
			time.Sleep(29 * 24 * time.Hour)
			if reply = c.token(refreshForm(c.client, reply.RefreshToken)); reply.Status != 200 {
				t.Fatalf("after %v: %d %v", time.Since(start), reply.Status, &reply.Error)
			}
		}
		time.Sleep(10 * 24 * time.Hour) // 184 days: the absolute end
		wantError(t, c.token(refreshForm(c.client, reply.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
	})
	synctest.Test(t, func(t *testing.T) {
		c := newClocked(t)
		reply := c.redeem()
		time.Sleep(30 * 24 * time.Hour) // idle
		wantError(t, c.token(refreshForm(c.client, reply.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
	})
}

func TestS51SecretsStayOutOfLogs(t *testing.T) {
	var log bytes.Buffer
	h := newHarness(t, &oauthdyntest.Options{
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: &log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Adjust: noGrace,
	})
	confidential := h.register(`{"redirect_uris":["` + callback + `"],"client_name":"Logged"}`)
	client := h.public().ClientID
	code := h.code(client)
	first := h.token(h.redeemForm(client, code))
	second := h.token(refreshForm(client, first.RefreshToken))
	h.token(refreshForm(client, first.RefreshToken))
	h.token(h.redeemForm(client, code))
	h.token(refreshForm(confidential.ClientID, "x", "client_secret", confidential.ClientSecret+"x"))
	h.call(second.AccessToken)
	h.call(second.AccessToken + "x")
	h.HTTP.Close()
	h.Protected.Close()
	text := log.String()
	for name, secret := range map[string]string{
		"password": oauthdyntest.Password, "code": code, "verifier": verifier, "client secret": confidential.ClientSecret,
		"access token": first.AccessToken, "second access token": second.AccessToken, "refresh token": first.RefreshToken, "second refresh token": second.RefreshToken,
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
	for _, want := range []string{"client registered", "code issued", "tokens issued", "refresh token used twice", "code used twice", "client refused", "access token refused", "client_name=Logged"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// broken is a store that fails.
type broken struct {
	store.Store
	err error
}

func (b broken) Client(context.Context, string) (*store.Client, error) { return nil, b.err }

func (b broken) CreateClient(context.Context, store.Client) error { return b.err }

func TestFailuresOfTheStore(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) { o.Store = broken{o.Store, fmt.Errorf("disk is on fire at /secret/path")} })
	rec := do(s, "POST", "/token", "client_id=x&grant_type=refresh_token", "Content-Type", "application/x-www-form-urlencoded")
	if rec.Code != http.StatusInternalServerError || !strings.Contains(rec.Body.String(), oauthdyn.CodeServerError) || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("token: %d %s", rec.Code, rec.Body)
	}
	rec = httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/authorize?client_id=x", nil))
	if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("authorize: %d %s", rec.Code, rec.Body)
	}
}

func TestStoreIsAway(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) {
		o.Store = broken{o.Store, fmt.Errorf("dial 10.0.0.9: %w", store.ErrUnavailable)}
	})
	for path, body := range map[string][2]string{
		"/token":    {"application/x-www-form-urlencoded", "client_id=x&grant_type=refresh_token"},
		"/register": {"application/json", `{"redirect_uris":["https://app.example.com/cb"]}`},
	} {
		rec := do(s, "POST", path, body[1], "Content-Type", body[0])
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "2" ||
			!strings.Contains(rec.Body.String(), oauthdyn.CodeTemporarilyUnavailable) || strings.Contains(rec.Body.String(), "10.0.0.9") {
			t.Errorf("%s: %d, Retry-After %q, %s", path, rec.Code, rec.Header().Get("Retry-After"), rec.Body)
		}
	}
}
