// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// registration is a reply of the registration endpoint.
type registration struct {
	status  int
	header  http.Header
	members map[string]any
	oauthdyn.ClientInformation
}

// registerAt registers from an address.
func registerAt(t *testing.T, h http.Handler, address, metadata string, headers ...string) registration {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/register", strings.NewReader(metadata))
	req.Header.Set("Content-Type", jsonType)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.RemoteAddr = address
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	got := registration{status: rec.Code, header: rec.Header()}
	for _, v := range []any{&got.members, &got.ClientInformation} {
		if err := json.Unmarshal(rec.Body.Bytes(), v); err != nil {
			t.Fatalf("%d %q: %v", rec.Code, rec.Body, err)
		}
	}
	return got
}

const (
	anywhere  = "192.0.2.1:1234"
	publicApp = `{"redirect_uris":["http://localhost:5000/callback","https://c.example/cb"],"token_endpoint_auth_method":"none","client_name":"App"}`
)

func TestS61PublicClientsAreShared(t *testing.T) {
	s := mustServer(t, nil)
	first := registerAt(t, s, anywhere, publicApp)
	if first.status != 201 || first.RegistrationAccessToken == "" || first.RegistrationClientURI == "" {
		t.Fatalf("%d %+v", first.status, first.members)
	}
	manage := func(method, body string) int {
		return do(s, method, "/register/"+first.ClientID, body, "Authorization", "Bearer "+first.RegistrationAccessToken, "Content-Type", jsonType).Code
	}
	if code := manage("GET", ""); code != 200 {
		t.Errorf("the only one to have the client cannot read it: %d", code)
	}
	// What programs send again each time they start: another port and order.
	again := registerAt(t, s, "[2001:db8::1]:1", strings.Replace(`{"client_name":"App","token_endpoint_auth_method":"none","client_uri":null,"x":1,
		"redirect_uris":["https://c.example/cb","http://localhost:6000/callback"]}`, "\n", " ", 1))
	if again.status != 201 || again.ClientID != first.ClientID {
		t.Fatalf("%d, client %s, want %s", again.status, again.ClientID, first.ClientID)
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret", "client_secret_expires_at"} {
		if again.members[name] != nil {
			t.Errorf("the second one gets %s %v", name, again.members[name])
		}
	}
	if got := strings.Join(again.RedirectURIs, " "); got != "https://c.example/cb http://localhost:6000/callback" {
		t.Errorf("redirect URIs %s", got)
	}
	// From now on nobody can take it away from the others.
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if code := manage(method, `{"client_id":"`+first.ClientID+`","redirect_uris":["https://evil.example/"]}`); code != 401 {
			t.Errorf("%s with the first one's token: %d", method, code)
		}
	}
	if code := do(s, "DELETE", "/register/"+first.ClientID, "").Code; code != 401 {
		t.Errorf("DELETE without a token: %d", code)
	}
	if third := registerAt(t, s, anywhere, publicApp); third.ClientID != first.ClientID {
		t.Errorf("the third one gets %s", third.ClientID)
	}
}

func TestS61OthersAreNotShared(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) { o.Registration.PerSoftware = -1 })
	seen := map[string]string{}
	for name, metadata := range map[string]string{
		"public":            publicApp,
		"other name":        strings.Replace(publicApp, "App", "Other", 1),
		"other version":     strings.Replace(publicApp, "{", `{"software_version":"2",`, 1),
		"other host":        strings.Replace(publicApp, "localhost", "127.0.0.1", 1),
		"other path":        strings.Replace(publicApp, "5000/callback", "5000/other", 1),
		"other port":        strings.Replace(publicApp, "c.example", "c.example:8443", 1),
		"fewer URIs":        strings.Replace(publicApp, `,"https://c.example/cb"`, "", 1),
		"confidential":      strings.Replace(publicApp, "none", "client_secret_post", 1),
		"same confidential": strings.Replace(publicApp, "none", "client_secret_post", 1),
	} {
		got := registerAt(t, s, anywhere, metadata)
		if got.status != 201 || got.RegistrationAccessToken == "" || seen[got.ClientID] != "" {
			t.Errorf("%s: %d, the client of %q", name, got.status, seen[got.ClientID])
		}
		seen[got.ClientID] = name
	}
	always := mustServer(t, func(o *authserver.Options) { o.Registration.AlwaysNew = true })
	if one := registerAt(t, always, anywhere, publicApp).ClientID; one == registerAt(t, always, anywhere, publicApp).ClientID {
		t.Error("shared in spite of AlwaysNew")
	}
	// Whoever has another initial access token is somebody else.
	const alice, bob = "alice's initial access token", "bob's initial access token"
	closed := mustServer(t, func(o *authserver.Options) { o.InitialAccessTokens = []string{alice, bob} })
	ids := map[string]int{}
	for _, token := range []string{alice, bob, alice, bob} {
		ids[registerAt(t, closed, anywhere, publicApp, "Authorization", "Bearer "+token).ClientID]++
	}
	if len(ids) != 2 {
		t.Errorf("clients %v, want one of each initial access token", ids)
	}
}

// A client that its owner has changed is not what the others register.
func TestS61ChangedClientsAreNotShared(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) { o.Registration.PerSoftware = -1 })
	ids := map[string]bool{}
	for range 10 {
		got := registerAt(t, s, anywhere, publicApp)
		if ids[got.ClientID] {
			t.Fatalf("the client %s is shared", got.ClientID)
		}
		ids[got.ClientID] = true
		changed := `{"client_id":"` + got.ClientID + `","redirect_uris":["https://evil.example/"],"token_endpoint_auth_method":"none"}`
		if rec := do(s, "PUT", "/register/"+got.ClientID, changed, "Authorization", "Bearer "+got.RegistrationAccessToken, "Content-Type", jsonType); rec.Code != 200 {
			t.Fatalf("PUT: %d %s", rec.Code, rec.Body)
		}
	}
}

// Claude registers twice at a time: of many, one makes the client.
func TestS61Race(t *testing.T) {
	s := mustServer(t, func(o *authserver.Options) { o.Registration.PerSoftware = -1 })
	var mu sync.Mutex
	clients, tokens := map[string]int{}, 0
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			got := registerAt(t, s, anywhere, publicApp)
			mu.Lock()
			defer mu.Unlock()
			clients[got.ClientID]++
			if got.RegistrationAccessToken != "" {
				tokens++
			}
		})
	}
	all.Wait()
	if len(clients) != 1 || tokens != 1 {
		t.Errorf("clients %v, %d registration access tokens, want one", clients, tokens)
	}
}

// A client that could be collected during the sign-in is not given away.
func TestS61S62UnusedClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(nil)
		s := mustServer(t, func(o *authserver.Options) { o.Store = db })
		unused := registerAt(t, s, anywhere, publicApp).ClientID
		time.Sleep(time.Hour - 1)
		if got := registerAt(t, s, anywhere, publicApp).ClientID; got != unused {
			t.Error("not shared within an hour")
		}
		time.Sleep(time.Nanosecond)
		fresh := registerAt(t, s, anywhere, publicApp).ClientID
		if fresh == unused {
			t.Error("shared after an hour without use")
		}
		if err := db.TouchClient(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * 24 * time.Hour)
		if got := registerAt(t, s, anywhere, publicApp).ClientID; got != unused { // whose id is free again
			t.Errorf("got %s, want a new %s", got, unused)
		}
		if _, err := db.Client(t.Context(), fresh); err != nil {
			t.Errorf("the client that was used: %v", err)
		}
	})
}

// The client is collected between the look at it and its first token: it must
// not get a token that it cannot refresh.
func TestS62CollectedMeanwhile(t *testing.T) {
	var meanwhile *vanishing
	h := newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
		meanwhile = &vanishing{Store: memory.New(nil)}
		o.Store = meanwhile
	}})
	client := h.public().ClientID
	code := h.code(client)
	meanwhile.client = client
	wantError(t, h.token(h.redeemForm(client, code)), 401, oauthdyn.CodeInvalidClient)
	if grants, err := h.Store.ListGrants(t.Context(), store.Owner{ClientID: client}); err != nil || len(grants) > 0 {
		t.Errorf("%d grants, %v", len(grants), err)
	}
}

// vanishing deletes a client when its code is looked up.
type vanishing struct {
	store.Store
	client string
}

func (v *vanishing) Code(ctx context.Context, code store.Hash) (*store.Code, error) {
	if err := v.DeleteClient(ctx, v.client); err != nil {
		return nil, err
	}
	return v.Store.Code(ctx, code)
}

func TestS60Limits(t *testing.T) {
	confidential := func(n int) string {
		return fmt.Sprintf(`{"redirect_uris":["https://app%d.example/cb"],"software_id":"s"}`, n)
	}
	sharing := func(n int) string {
		return fmt.Sprintf(`{"redirect_uris":["https://app%d.example/cb"],"token_endpoint_auth_method":"none"}`, n/10)
	}
	for name, test := range map[string]struct {
		limits   authserver.Registration
		address  func(n int) string
		metadata func(n int) string
		want     int // of 100 that are registered in a minute
	}{
		"network":           {authserver.Registration{PerNetwork: 20}, func(n int) string { return fmt.Sprintf("198.51.100.%d:%d", n, n) }, confidential, 20},
		"mapped network":    {authserver.Registration{PerNetwork: 20}, func(n int) string { return fmt.Sprintf("[::ffff:198.51.100.%d]:1", n) }, confidential, 20},
		"IPv6 network":      {authserver.Registration{PerNetwork: 20}, func(n int) string { return fmt.Sprintf("[2001:db8:1:2::%x]:1", n) }, confidential, 20},
		"IPv6 networks":     {authserver.Registration{PerNetwork: 20}, func(n int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", n) }, confidential, 100},
		"networks":          {authserver.Registration{PerNetwork: 20}, func(n int) string { return fmt.Sprintf("198.51.%d.1:1", n) }, confidential, 100},
		"no network":        {authserver.Registration{PerNetwork: 20}, func(int) string { return "@" }, confidential, 20},
		"software":          {authserver.Registration{PerSoftware: 20}, func(n int) string { return fmt.Sprintf("198.51.%d.1:1", n) }, func(int) string { return confidential(0) }, 20},
		"all":               {authserver.Registration{InAll: 20}, func(n int) string { return fmt.Sprintf("198.51.%d.1:1", n) }, confidential, 20},
		"none":              {authserver.Registration{InAll: -1, PerNetwork: -1, PerSoftware: -1}, func(int) string { return anywhere }, func(int) string { return confidential(0) }, 100},
		"those who share":   {authserver.Registration{InAll: 10}, func(int) string { return anywhere }, sharing, 100},
		"narrow ones first": {authserver.Registration{PerSoftware: 10, InAll: 20}, func(int) string { return anywhere }, func(n int) string { return confidential(n % 2) }, 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustServer(t, func(o *authserver.Options) { o.Registration = test.limits })
				for range 2 { // minutes
					done := 0
					for n := range 100 {
						got := registerAt(t, s, test.address(n), test.metadata(n))
						switch seconds, err := strconv.Atoi(got.header.Get("Retry-After")); {
						case got.status == 201:
							done++
						case got.status != 429 || err != nil || seconds < 1 || seconds > 61 || got.members["error"] != oauthdyn.CodeTemporarilyUnavailable:
							t.Fatalf("%d, Retry-After %q, %v", got.status, got.header.Get("Retry-After"), got.members)
						}
					}
					if done != test.want {
						t.Errorf("%d registrations, want %d", done, test.want)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// More networks than can be counted do not end registration; what counts then is
// the limit for all.
func TestS60MoreNetworksThanCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustServer(t, func(o *authserver.Options) {
			o.Store = memory.New(&memory.Options{Limits: store.Limits{Transactions: 3}})
			o.Registration.InAll = 10
		})
		done := 0
		for n := range 20 {
			if registerAt(t, s, fmt.Sprintf("[2001:db8:%x::1]:1", n), fmt.Sprintf(`{"redirect_uris":["https://app%d.example/cb"]}`, n)).status == 201 {
				done++
			}
		}
		if done != 10 {
			t.Errorf("%d registrations, want 10", done)
		}
	})
}

// Replicas share a store, and with it the limits.
func TestS60LimitsOfReplicas(t *testing.T) {
	db := memory.New(nil)
	edit := func(o *authserver.Options) {
		o.Store, o.Registration.InAll, o.Registration.PerSoftware = db, 10, -1
	}
	servers := []*authserver.Server{mustServer(t, edit), mustServer(t, edit)}
	done := 0
	for n := range 40 {
		if registerAt(t, servers[n%2], anywhere, `{"redirect_uris":["https://app.example/cb"]}`).status == 201 {
			done++
		}
	}
	if done != 10 {
		t.Errorf("%d registrations at two servers, want 10", done)
	}
}

// A flood from everywhere keeps nobody from using what is registered, and leaves
// nothing behind.
func TestS60Flood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memory.New(nil)
		s := mustServer(t, func(o *authserver.Options) { o.Store = db })
		before := registerAt(t, s, anywhere, publicApp).ClientID
		for n := range 10_000 { // in one minute
			registerAt(t, s, fmt.Sprintf("[2001:db8:%x::1]:1", n), fmt.Sprintf(`{"redirect_uris":["https://app%d.example/cb"]}`, n))
		}
		clients, err := db.ListClients(t.Context(), "", 10_000)
		if err != nil || len(clients) > 600 {
			t.Errorf("%d clients, %v", len(clients), err)
		}
		if got := registerAt(t, s, anywhere, publicApp); got.ClientID != before {
			t.Errorf("one that is registered gets %d %v", got.status, got.members)
		}
		time.Sleep(25 * time.Hour)
		if clients, err = db.ListClients(t.Context(), "", 10_000); err != nil || len(clients) > 0 {
			t.Errorf("a day later there are %d clients, %v", len(clients), err)
		}
	})
}

func TestS66SoftwareStatement(t *testing.T) {
	s := mustServer(t, nil)
	const statement = `"software_statement":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"`
	if got := registerAt(t, s, anywhere, strings.Replace(publicApp, "{", "{"+statement+",", 1)); got.status != 400 || got.members["error"] != "unapproved_software_statement" {
		t.Errorf("%d %v", got.status, got.members)
	}
	if got := registerAt(t, s, anywhere, strings.Replace(publicApp, "{", `{"software_statement":null,`, 1)); got.status != 201 {
		t.Errorf("null: %d %v", got.status, got.members)
	}
	client := registerAt(t, s, anywhere, `{"redirect_uris":["https://c.example/cb"]}`)
	rec := do(s, "PUT", "/register/"+client.ClientID, `{"client_id":"`+client.ClientID+`","redirect_uris":["https://c.example/cb"],`+statement+`}`,
		"Authorization", "Bearer "+client.RegistrationAccessToken, "Content-Type", jsonType)
	if rec.Code != 400 || !strings.Contains(rec.Body.String(), "unapproved_software_statement") {
		t.Errorf("PUT: %d %s", rec.Code, rec.Body)
	}
}

func TestS68ClientsDoNotChooseTheirID(t *testing.T) {
	s := mustServer(t, nil)
	first := registerAt(t, s, anywhere, `{"redirect_uris":["https://c.example/cb"]}`)
	for _, id := range []string{first.ClientID, "https://app.example/client.json", "resource-server", ""} {
		got := registerAt(t, s, anywhere, fmt.Sprintf(`{"client_id":%q,"client_secret":"chosen","registration_access_token":"chosen","redirect_uris":["https://evil.example/cb"]}`, id))
		if got.status != 201 || got.ClientID == id || !strings.HasPrefix(got.ClientID, "client_") || got.ClientSecret == "chosen" || got.RegistrationAccessToken == "chosen" {
			t.Errorf("%s: %d %v", id, got.status, got.members)
		}
	}
}
