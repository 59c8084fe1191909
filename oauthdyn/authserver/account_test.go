// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// once is a login whose Recheck takes each account once, as a provider does that
// rotates refresh tokens.
type once struct {
	authserver.Login

	mu sync.Mutex
	// mu guards the fields below.
	serial int
	size   int // of further bytes in the account
	err    error
	asked  int
	during func() // runs during the next Recheck
}

func (o *once) ServeLogin(w http.ResponseWriter, r *http.Request, a *authserver.Attempt) (*authserver.User, error) {
	user, err := o.Login.ServeLogin(w, r, a)
	if user != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		user.Account = o.next()
	}
	return user, err
}

func (o *once) next() string {
	o.serial++
	return strconv.Itoa(o.serial) + strings.Repeat(" ", o.size)
}

// Recheck implements authserver.Rechecker.
func (o *once) Recheck(ctx context.Context, u authserver.User) (string, error) {
	o.mu.Lock()
	during := o.during
	o.during = nil
	o.mu.Unlock()
	if during != nil {
		during()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if o.err != nil {
		return "", o.err
	}
	if strings.TrimSpace(u.Account) != strconv.Itoa(o.serial) {
		return "", authserver.ErrNotAllowed
	}
	return o.next(), nil
}

func newOnce(t *testing.T) (*harness, *once) {
	login := &once{}
	h := newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
		login.Login = o.Login
		o.Login = login
	}})
	return h, login
}

// grant returns a client with a refresh token of its own.
func (h *harness) grant() (client, refreshToken string) {
	h.t.Helper()
	client = h.public().ClientID
	reply := h.token(h.redeemForm(client, h.code(client)))
	if reply.Status != http.StatusOK {
		h.t.Fatalf("no grant: %d %v", reply.Status, &reply.Error)
	}
	return client, reply.RefreshToken
}

// What a Recheck leaves reaches the next one, however many there are at a time.
func TestRechecksOfAPersonTakeTurns(t *testing.T) {
	h, login := newOnce(t)
	var refreshes sync.WaitGroup
	clients, tokens := [6]string{}, [6]string{}
	for i := range clients {
		clients[i], tokens[i] = h.grant()
	}
	for i := range clients {
		refreshes.Go(func() {
			for range 5 {
				reply := h.token(refreshForm(clients[i], tokens[i]))
				if reply.Status != http.StatusOK {
					t.Errorf("refresh: %d %v", reply.Status, &reply.Error)
					return
				}
				tokens[i] = reply.RefreshToken
			}
		})
	}
	refreshes.Wait()
	if login.asked < 30 {
		t.Errorf("asked %d times only", login.asked)
	}
}

// Another server on the same store may have used the account a moment before.
func TestRecheckOnTwoServers(t *testing.T) {
	h, login := newOnce(t)
	second, err := authserver.New(t.Context(), *h.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	client, token := h.grant()
	other, otherToken := h.grant()
	login.mu.Lock()
	login.during = func() {
		rec := do(second, "POST", "/token", refreshForm(other, otherToken).Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if rec.Code != http.StatusOK {
			t.Errorf("the other server: %d %s", rec.Code, rec.Body)
		}
	}
	login.mu.Unlock()
	if reply := h.token(refreshForm(client, token)); reply.Status != http.StatusOK {
		t.Errorf("%d %v", reply.Status, &reply.Error)
	}
	if login.asked != 3 {
		t.Errorf("asked %d times, want 3", login.asked)
	}
}

// What a Recheck has used up at a provider is not lost with the client's request.
func TestRecheckOutlivesTheRequest(t *testing.T) {
	h, login := newOnce(t)
	client, token := h.grant()
	ctx, cancel := context.WithCancel(t.Context())
	login.mu.Lock()
	login.during = cancel
	login.mu.Unlock()
	req := newRequest(t, "POST", "/token", refreshForm(client, token).Encode()).WithContext(ctx)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	h.AuthServer.ServeHTTP(rec, req)
	if rec.Code == http.StatusServiceUnavailable {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if reply := h.token(refreshForm(client, token)); reply.Status != http.StatusOK { // within its grace
		t.Errorf("%d %v", reply.Status, &reply.Error)
	}
}

func TestS26RefusedPerson(t *testing.T) {
	h, login := newOnce(t)
	client, token := h.grant()
	set := func(err error) { login.mu.Lock(); login.err = err; login.mu.Unlock() }

	set(errors.New("the provider is down"))
	reply := h.token(refreshForm(client, token))
	wantError(t, reply, http.StatusServiceUnavailable, "temporarily_unavailable")
	if strings.Contains(reply.Description, "provider is down") {
		t.Error("the client is told what is for the log")
	}
	set(nil)
	reply = h.token(refreshForm(client, token))
	if reply.Status != http.StatusOK {
		t.Fatalf("the token is lost: %d %v", reply.Status, &reply.Error)
	}
	set(authserver.ErrNotAllowed)
	wantError(t, h.token(refreshForm(client, reply.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	set(nil)
	wantError(t, h.token(refreshForm(client, reply.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	asked := login.asked
	wantError(t, h.token(refreshForm(client, "unknown.token")), http.StatusBadRequest, "invalid_grant")
	if login.asked != asked {
		t.Error("the login is asked about nobody")
	}
	// What was kept went with the person.
	if _, err := h.Store.Transaction(t.Context(), "account", store.HashOf("local:alice")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was kept: %v", err)
	}
	client, token = h.grant()
	if reply = h.token(refreshForm(client, token)); reply.Status != http.StatusOK {
		t.Errorf("after another sign-in: %d %v", reply.Status, &reply.Error)
	}
}

func TestS26RemovedLocalUser(t *testing.T) {
	h := newHarness(t, nil)
	client, token := h.grant()
	reply := h.token(refreshForm(client, token))
	if reply.Status != http.StatusOK {
		t.Fatalf("%d %v", reply.Status, &reply.Error)
	}
	other, otherToken := h.grant()
	if err := h.Users.Delete(oauthdyntest.Username); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.token(refreshForm(client, reply.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	if err := h.Users.Set(oauthdyntest.Username, oauthdyntest.Password); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.token(refreshForm(client, reply.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	wantError(t, h.token(refreshForm(other, otherToken)), http.StatusBadRequest, "invalid_grant")
}

func TestAccountsAreBounded(t *testing.T) {
	h, login := newOnce(t)
	login.size = authserver.MaxAccount
	client := h.public()
	at, err := h.Browser().Authorize(t.Context(), h.authorizeURL(client.ClientID))
	if err != nil || at.Query().Get("error") != "server_error" {
		t.Errorf("%v %v", at, err)
	}
	long := authserver.User{Subject: "once:alice", Account: strings.Repeat("x", authserver.MaxAccount+1)}
	if _, err := authserver.AccountRecord(long, time.Now()); err == nil {
		t.Error("a record for a longer one")
	}
}
