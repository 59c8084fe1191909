// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// revoke sends a revocation request of a public client; edits are as in
// redeemForm.
func (h *harness) revoke(clientID, token string, edits ...string) tokenReply {
	h.t.Helper()
	form := url.Values{"client_id": {clientID}, "token": {token}}
	edit(form, edits)
	return h.revokeForm(form)
}

func (h *harness) revokeForm(form url.Values, headers ...string) tokenReply {
	h.t.Helper()
	req := newRequest(h.t, "POST", h.Issuer+"/revoke", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	var reply tokenReply
	res, body := fetch(h.t, noRedirects, req)
	reply.Status, reply.Header = res.StatusCode, res.Header
	if reply.Code = ""; res.StatusCode != http.StatusOK {
		decodeError(h.t, body, &reply.Error)
	} else if body != "" {
		h.t.Errorf("body %q", body)
	}
	if res.Header.Get("Cache-Control") != "no-store" { // S51
		h.t.Errorf("headers %v", res.Header)
	}
	return reply
}

// ok checks that a token is or is not accepted by the resource.
func (h *harness) ok(what, accessToken string, want bool) {
	h.t.Helper()
	status, _ := h.call(accessToken)
	if got := status == http.StatusOK; got != want || !got && status != http.StatusUnauthorized {
		h.t.Errorf("%s: status %d, want it accepted: %v", what, status, want)
	}
}

func TestS98Revoke(t *testing.T) {
	h := newHarness(t, nil)
	client, first := h.login()
	other, foreign := h.login()

	for name, token := range map[string]string{
		"unknown": "x", "unknown with a dot": "x.y", "no token of ours": "a.b.c", "long": strings.Repeat("x", 10<<10),
		"foreign access token": foreign.AccessToken, "foreign refresh token": foreign.RefreshToken,
	} {
		for _, hint := range []string{"", "access_token", "refresh_token", "made_up"} {
			if reply := h.revoke(client.ClientID, token, "token_type_hint", hint); reply.Status != 200 {
				t.Errorf("%s, hint %q: %d %v", name, hint, reply.Status, &reply.Error)
			}
		}
	}
	h.ok("after that, the other client's token", foreign.AccessToken, true)
	foreign = h.token(refreshForm(other.ClientID, foreign.RefreshToken))
	if foreign.Status != 200 {
		t.Errorf("the other client's refresh token: %d", foreign.Status)
	}

	// An access token goes alone.
	if reply := h.revoke(client.ClientID, first.AccessToken, "token_type_hint", "refresh_token"); reply.Status != 200 {
		t.Errorf("own access token: %d", reply.Status)
	}
	h.ok("revoked access token", first.AccessToken, false)
	second := h.token(refreshForm(client.ClientID, first.RefreshToken))
	if second.Status != 200 {
		t.Fatalf("refresh: %d", second.Status)
	}
	h.ok("the next access token", second.AccessToken, true)
	third := h.token(refreshForm(client.ClientID, second.RefreshToken))

	// A refresh token takes its grant with it.
	if reply := h.revoke(client.ClientID, third.RefreshToken, "token_type_hint", "access_token"); reply.Status != 200 {
		t.Errorf("own refresh token: %d", reply.Status)
	}
	h.ok("access token of the grant", second.AccessToken, false)
	h.ok("the newest one", third.AccessToken, false)
	wantError(t, h.token(refreshForm(client.ClientID, third.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
	if reply := h.revoke(client.ClientID, third.RefreshToken); reply.Status != 200 {
		t.Errorf("again: %d", reply.Status)
	}
	h.ok("the other client's token", foreign.AccessToken, true)

	// So does one that was rotated: the reply may have been lost.
	fourth := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID)))
	fifth := h.token(refreshForm(client.ClientID, fourth.RefreshToken))
	h.revoke(client.ClientID, fourth.RefreshToken)
	h.ok("after revoking with the old refresh token", fifth.AccessToken, false)
}

func TestS98RevocationRefusals(t *testing.T) {
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["` + callback + `"]}`)
	auth := basic(client.ClientID, client.ClientSecret)
	issued := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID), "client_id", ""), "Authorization", auth)
	if issued.Status != 200 {
		t.Fatal(issued.Status)
	}
	token := url.Values{"token": {issued.RefreshToken}}
	with := func(name string, values ...string) url.Values {
		form := url.Values{"token": token["token"]}
		form[name] = values
		return form
	}
	for _, test := range []struct {
		name   string
		form   url.Values
		auth   string
		status int
		code   string
	}{
		{"no client", token, "", 401, oauthdyn.CodeInvalidClient},
		{"no secret", with("client_id", client.ClientID), "", 401, oauthdyn.CodeInvalidClient},
		{"wrong secret", token, basic(client.ClientID, "x"), 401, oauthdyn.CodeInvalidClient},
		{"unknown client", with("client_id", "client_x"), "", 401, oauthdyn.CodeInvalidClient},
		{"another way", url.Values{"token": token["token"], "client_id": {client.ClientID}, "client_secret": {client.ClientSecret}}, "", 401, oauthdyn.CodeInvalidClient},
		{"no token", url.Values{}, auth, 400, oauthdyn.CodeInvalidRequest},
		{"two tokens", with("token", "a", issued.RefreshToken), auth, 400, oauthdyn.CodeInvalidRequest},
		{"long", with("x", strings.Repeat("x", 64<<10)), auth, 413, oauthdyn.CodeInvalidRequest},
	} {
		var headers []string
		if test.auth != "" {
			headers = []string{"Authorization", test.auth}
		}
		reply := h.revokeForm(test.form, headers...)
		if reply.Status != test.status || reply.Code != test.code {
			t.Errorf("%s: %d %v", test.name, reply.Status, &reply.Error)
		}
		if challenged := reply.Header.Get("WWW-Authenticate") != ""; challenged != (test.status == 401 && test.auth != "") {
			t.Errorf("%s: headers %v", test.name, reply.Header)
		}
	}
	h.ok("after all that", issued.AccessToken, true)
	if reply := h.revokeForm(token, "Authorization", auth); reply.Status != 200 {
		t.Errorf("with the secret: %d", reply.Status)
	}
	h.ok("after revoking", issued.AccessToken, false)
}

// Where there is no room for single tokens, the grant goes.
func TestRevokeWhenTheStoreIsFull(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
		o.Store = memory.New(&memory.Options{Limits: store.Limits{RevokedTokens: 1}})
	}})
	client, first := h.login()
	second := h.token(refreshForm(client.ClientID, first.RefreshToken))
	for _, token := range []string{first.AccessToken, second.AccessToken} {
		if reply := h.revoke(client.ClientID, token); reply.Status != 200 {
			t.Errorf("%d %v", reply.Status, &reply.Error)
		}
		h.ok("revoked", token, false)
	}
	wantError(t, h.token(refreshForm(client.ClientID, second.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
}

// TestS88EveryRevocationReachesResources ends grants in each way there is, and
// wants their access tokens to be refused with the next request.
func TestS88EveryRevocationReachesResources(t *testing.T) {
	h := newHarness(t, &oauthdyntest.Options{Adjust: noGrace})
	ctx := t.Context()
	for name, end := range map[string]func(client *oauthdyn.ClientInformation, code string, reply tokenReply){
		"code used twice": func(client *oauthdyn.ClientInformation, code string, _ tokenReply) {
			h.token(h.redeemForm(client.ClientID, code))
		},
		"refresh token used twice": func(client *oauthdyn.ClientInformation, _ string, reply tokenReply) {
			second := h.token(refreshForm(client.ClientID, reply.RefreshToken))
			h.ok("control", second.AccessToken, true)
			h.token(refreshForm(client.ClientID, reply.RefreshToken))
			h.ok("refresh token used twice: second access token", second.AccessToken, false)
		},
		"grants of the client": func(client *oauthdyn.ClientInformation, _ string, _ tokenReply) {
			if n, err := h.AuthServer.RevokeGrants(ctx, store.Owner{ClientID: client.ClientID}); n != 1 || err != nil {
				t.Errorf("%d grants, %v", n, err)
			}
		},
		"grants of the person": func(_ *oauthdyn.ClientInformation, _ string, _ tokenReply) {
			if n, err := h.AuthServer.RevokeGrants(ctx, store.Owner{Subject: "local:alice"}); n == 0 || err != nil {
				t.Errorf("%d grants, %v", n, err)
			}
		},
		"grant": func(client *oauthdyn.ClientInformation, _ string, _ tokenReply) {
			grants, err := h.Store.ListGrants(ctx, store.Owner{ClientID: client.ClientID, Subject: "local:alice"})
			if len(grants) != 1 || err != nil {
				t.Fatalf("%d grants, %v", len(grants), err)
			}
			if err := h.AuthServer.RevokeGrant(ctx, grants[0].ID); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := h.public()
			code := h.code(client.ClientID)
			reply := h.token(h.redeemForm(client.ClientID, code))
			h.ok("control", reply.AccessToken, true)
			end(client, code, reply)
			h.ok(name, reply.AccessToken, false)
			wantError(t, h.token(refreshForm(client.ClientID, reply.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)
			// A person who comes again is let in at once.
			again := h.token(h.redeemForm(client.ClientID, h.code(client.ClientID)))
			h.ok("after another consent", again.AccessToken, true)
		})
	}
}

// startGrant puts a grant into a store, as a sign-in would.
func startGrant(t *testing.T, s store.Store, handle string) *resource.Principal {
	t.Helper()
	now := time.Now()
	id := store.HashOf(handle)
	err := errors.Join(
		s.PutCode(t.Context(), store.Code{Hash: id, ClientID: "c", Subject: "alice", Expires: now.Add(time.Minute)}),
		s.RedeemCode(t.Context(), id, store.Grant{ID: id, ClientID: "c", Subject: "alice", Expires: now.Add(time.Hour)}))
	if err != nil {
		t.Fatal(err)
	}
	sid, err := id.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	// The token may have been signed while the grant ended.
	return &resource.Principal{Issuer: "https://auth.example", Session: string(sid), Subject: "alice", ClientID: "c", IssuedAt: now.Add(time.Minute)}
}

// A flakyStore cannot list revocations while it is broken.
type flakyStore struct {
	store.Store
	broken atomic.Bool
}

func (f *flakyStore) ListRevocations(ctx context.Context, after store.Position) ([]store.Revocation, store.Position, error) {
	if f.broken.Load() {
		return nil, after, errors.New("broken")
	}
	return f.Store.ListRevocations(ctx, after)
}

// Two servers share a store, as two processes would.
func TestS88OtherProcessesNoticeWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &flakyStore{Store: memory.New(nil)}
		var nodes [2]resource.Revocations
		var servers [2]*authserver.Server
		for i := range servers {
			servers[i] = mustServer(t, func(o *authserver.Options) { o.Store, o.Revocations = db, &nodes[i] })
		}
		for _, broken := range []bool{false, true} {
			p := startGrant(t, db, fmt.Sprint("broken ", broken))
			if nodes[0].Revoked(p) || nodes[1].Revoked(p) {
				t.Fatal("revoked from the start")
			}
			synctest.Wait()         // a reading that is under way would still succeed
			db.broken.Store(broken) // the list cannot be read for a while
			if n, err := servers[0].RevokeGrants(t.Context(), store.Owner{Subject: "alice"}); n != 1 || err != nil {
				t.Errorf("%d grants, %v", n, err)
			}
			if nodes[0].Revoked(p) == broken {
				t.Errorf("at the server that revoked, at once: %v", !broken)
			}
			if broken {
				time.Sleep(time.Minute)
				db.broken.Store(false)
			}
			time.Sleep(time.Second)
			for i := range nodes {
				if !nodes[i].Revoked(p) {
					t.Errorf("node %d has not noticed", i)
				}
			}
			p.Session = "another"
			if nodes[0].Revoked(p) {
				t.Error("another grant is revoked, too")
			}
		}

		// A server that starts knows what was revoked before.
		var late resource.Revocations
		p := startGrant(t, db, "two")
		if err := db.RevokeGrant(t.Context(), store.HashOf("two")); err != nil {
			t.Fatal(err)
		}
		mustServer(t, func(o *authserver.Options) { o.Store, o.Revocations = db, &late })
		if !late.Revoked(p) {
			t.Error("a server that starts does not know")
		}
		db.broken.Store(true)
		if _, err := newServer(t, func(o *authserver.Options) { o.Store, o.Revocations = db, &late }); !errors.Is(err, authserver.ErrStore) {
			t.Errorf("started without knowing what was revoked: %v", err)
		}
	})
}
