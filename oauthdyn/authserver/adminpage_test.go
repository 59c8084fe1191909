// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// asCarol opens the page of administrators as one of them.
func (h *harness) asCarol() (b *tab, page string) {
	h.t.Helper()
	b = h.tab()
	return b, b.enter("/admin", "carol", bobsPassword)
}

func TestAdministrators(t *testing.T) {
	w := &witness{}
	h := newPagesHarness(t, func(o *authserver.Options) { o.Audit = w.record })
	client, tokens := h.grantTo("First app", oauthdyntest.Username, oauthdyntest.Password)
	other, otherTokens := h.grantTo("Second app", "bob", bobsPassword)
	third, thirdTokens := h.grantTo("Second app", "bob", bobsPassword)
	h.register(`{"redirect_uris":["https://third.example/cb"],"client_name":"<script>Third</script>"}`)

	b, page := h.asCarol()
	for _, want := range []string{"First app", "Second app", "&lt;script&gt;Third", "third.example", "never", client} {
		if !strings.Contains(page, want) {
			t.Errorf("the clients lack %q", want)
		}
	}
	page = b.open("/admin?q=THIRD.example")
	if strings.Contains(page, "First app") || !strings.Contains(page, "Third") || !strings.Contains(page, `value="THIRD.example"`) {
		t.Errorf("search: %s", page)
	}
	if page = b.open("/admin?q=%22%3E%3Cscript%3E"); !strings.Contains(page, "no client that fits") {
		t.Errorf("search: %s", page)
	}

	// The grant of a client.
	page = b.open("/admin?client=" + client)
	for _, want := range []string{"First app", "local:alice", "Read your notes", "client.example"} {
		if !strings.Contains(page, want) {
			t.Errorf("the client lacks %q", want)
		}
	}
	w.take()
	page = b.submit(formWith(t, page, "revoke"), "revoke")
	if !strings.Contains(page, "the grant has ended") || !strings.Contains(page, "There is no grant") || h.alive(client, tokens) {
		t.Errorf("revoked: %s", page)
	}

	// All of a person.
	if page = b.open("/admin?view=grants"); strings.Count(page, "local:bob") < 2 || strings.Contains(page, "revoke-all") {
		t.Errorf("all grants: %s", page)
	}
	page = b.open("/admin?person=local:bob")
	if len(formsWith(t, page, "revoke")) != 2 || !strings.Contains(page, "local:bob") {
		t.Errorf("person: %s", page)
	}
	page = b.submit(formWith(t, page, "revoke-all"), "revoke-all")
	if !strings.Contains(page, "the grants have ended") || h.alive(other, otherTokens) || h.alive(third, thirdTokens) {
		t.Errorf("revoked all: %s", page)
	}

	// The client itself.
	_, tokens = client, h.grantAt(h.Browser(), client)
	page = b.submit(formWith(t, b.open("/admin?client="+client), "delete"), "delete")
	if !strings.Contains(page, "its grants have ended") || strings.Contains(page, "First app") {
		t.Errorf("deleted: %s", page)
	}
	if reply := h.token(refreshForm(client, tokens.RefreshToken)); reply.Code != "invalid_client" {
		t.Errorf("the client: %v", &reply.Error)
	}
	if res, body := b.get(h.Issuer + "/admin?client=" + client); res.StatusCode != 404 {
		t.Errorf("the client again: %s %s", res.Status, body)
	}

	// It is on record who did that.
	var recorded []string
	w.mu.Lock()
	for _, e := range w.events {
		if e.By == audit.ByAdmin {
			recorded = append(recorded, string(e.Kind)+" "+string(e.Outcome)+" "+e.Reason)
		}
	}
	w.mu.Unlock()
	if got := strings.Join(recorded, ", "); got != "revoke success by local:carol, revoke success by local:carol, client.delete success by local:carol" {
		t.Errorf("on record: %s", got)
	}
}

// The signing keys are shown with their states, and nothing that signs.
func TestAdministratorsSeeKeys(t *testing.T) {
	h := newPagesHarness(t, nil)
	b, _ := h.asCarol()
	page := b.open("/admin?view=keys")
	_, tokens := h.grantTo("App", oauthdyntest.Username, oauthdyntest.Password)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens.AccessToken, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var signed struct{ Kid, Alg string }
	if err := json.Unmarshal(header, &signed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"active", signed.Kid, signed.Alg, "Signing keys"} {
		if want == "" || !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
}

// Lists come in pages.
func TestAdministratorsTurnPages(t *testing.T) {
	h := newPagesHarness(t, nil)
	for range 60 {
		h.public()
	}
	b, page := h.asCarol()
	first := strings.Count(page, "<section")
	_, rest, ok := strings.Cut(page, `<a class="button" href="`)
	next, _, ok2 := strings.Cut(rest, `"`)
	if !ok || !ok2 || first != 50 {
		t.Fatalf("%d clients, no next page", first)
	}
	page = b.open(strings.ReplaceAll(next, "&amp;", "&"))
	if n := strings.Count(page, "<section"); n != 10 || strings.Contains(page, "Next page") {
		t.Errorf("%d clients on the second page", n)
	}
}

// Who is no administrator learns nothing, not even by trying.
func TestOnlyAdministrators(t *testing.T) {
	h := newPagesHarness(t, nil)
	client, tokens := h.grantTo("App", "bob", bobsPassword)
	carol, page := h.asCarol()
	form := formWith(t, carol.open("/admin?client="+client), "delete")
	revoke := formWith(t, carol.open("/admin?client="+client), "revoke")
	_ = page

	nowhere, nothing := h.page(newRequest(t, "GET", h.Issuer+"/nowhere", ""))
	b := h.tab()
	b.enter("/apps", "bob", bobsPassword)
	own := formWith(t, b.open("/apps"), "revoke").fields.Get("csrf")
	for _, try := range []func() (*http.Response, string){
		func() (*http.Response, string) { return b.get(h.Issuer + "/admin") },
		func() (*http.Response, string) { return b.get(h.Issuer + "/admin?client=" + client) },
		func() (*http.Response, string) { return b.post("/admin", form.with("delete")) },
		func() (*http.Response, string) { return b.post("/admin", revoke.with("revoke")) },
		func() (*http.Response, string) {
			forged := form.with("delete")
			forged.Set("csrf", own)
			return b.post("/admin", forged)
		},
	} {
		if res, body := try(); res.StatusCode != nowhere.StatusCode || body != nothing || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s, want what there is at no address", res.Status, body)
		}
	}
	// Nor does a person who is not signed in.
	stranger := h.tab()
	res, body := stranger.get(h.Issuer + "/admin?client=" + client)
	if formWith(t, body, "sign-in"); res.StatusCode != 200 || strings.Contains(body, client) || strings.Contains(body, "App") {
		t.Errorf("nobody: %s %s", res.Status, body)
	}
	csrf := formWith(t, body, "sign-in").fields.Get("csrf")
	forged := form.with("delete")
	forged.Set("csrf", csrf)
	if res, _ := stranger.post("/admin", forged); res.StatusCode != 403 {
		t.Errorf("nobody deletes: %s", res.Status)
	}
	if !h.alive(client, tokens) {
		t.Error("the grant has ended")
	}
	// Without administrators there is no page.
	none := newHarness(t, nil)
	if res, _ := none.page(newRequest(t, "GET", none.Issuer+"/admin", "")); res.StatusCode != 404 {
		t.Errorf("no administrators: %s", res.Status)
	}
}

func TestS21ForgedAdministration(t *testing.T) {
	h := newPagesHarness(t, nil)
	client, tokens := h.grantTo("App", "bob", bobsPassword)
	b, _ := h.asCarol()
	apps := formWith(t, b.open("/apps"), "sign-out").fields.Get("csrf")
	for _, button := range []string{"delete", "revoke", "revoke-all"} {
		form := formWith(t, b.open("/admin?client="+client), button)
		for name, csrf := range map[string]string{"none": "", "wrong": strings.Repeat("A", 43), "of another page": apps} {
			values := form.with(button)
			values.Set("csrf", csrf)
			if res, _ := b.post("/admin", values); res.StatusCode != 403 {
				t.Errorf("%s with token %s: %s", button, name, res.Status)
			}
		}
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			if res, _ := b.post("/admin", form.with(button), headers...); res.StatusCode != 403 {
				t.Errorf("%s %v: %s", button, headers, res.Status)
			}
		}
		if res, _ := b.get(h.Issuer + "/admin?" + form.with(button).Encode()); res.StatusCode != 200 {
			t.Errorf("%s as a link: %s", button, res.Status)
		}
	}
	if !h.alive(client, tokens) {
		t.Error("the grant has ended")
	}
}

// An administrator who signed in long ago can look, and has to sign in again to
// end something.
func TestAdministrationNeedsAFreshSignIn(t *testing.T) {
	old := &agingStore{Store: memory.New(nil)}
	h := newPagesHarness(t, func(o *authserver.Options) { o.Store = old })
	client, tokens := h.grantTo("App", "bob", bobsPassword)
	b, _ := h.asCarol()
	old.by.Store(int64(16 * time.Minute))
	page := b.open("/admin?client=" + client)
	form := formWith(t, page, "delete")
	res, body := b.post("/admin", form.with("delete"))
	if res.StatusCode != 403 || !strings.Contains(body, "15 minutes old") {
		t.Fatalf("%s %s", res.Status, body)
	}
	checkPage(t, res, body)
	if !h.alive(client, tokens) {
		t.Error("the client is deleted")
	}
	// Signing in again is all it takes.
	res, _ = b.post("/admin", formWith(t, body, "sign-in").with("sign-in"))
	_, body = b.get(h.Issuer + res.Header.Get("Location"))
	login := formWith(t, body, "submit").with("submit")
	login.Set("username", "carol")
	login.Set("password", bobsPassword)
	old.by.Store(0)
	if res, _ = b.post("/login", login); res.Header.Get("Location") != "/admin" {
		t.Fatalf("signed in: %s to %q", res.Status, res.Header.Get("Location"))
	}
	if page := b.submit(formWith(t, b.open("/admin?client="+client), "delete"), "delete"); !strings.Contains(page, "have ended") {
		t.Errorf("deleted: %s", page)
	}
}

func TestAdminsNeedASubject(t *testing.T) {
	if _, err := newServer(t, func(o *authserver.Options) { o.Admins = []string{"local:alice", ""} }); err == nil {
		t.Error("an administrator without a subject is accepted")
	}
}

// A client that is known by its document is shown without asking for it, and is
// gone with its last grant.
func TestAdministrationOfDocuments(t *testing.T) {
	h := newPagesHarness(t, nil)
	const id = "https://app.example/client.json"
	now := time.Now()
	code := store.HashOf("code")
	if err := h.Store.PutCode(t.Context(), store.Code{Hash: code, ClientID: id, Subject: "local:bob", Expires: now.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	err := h.Store.RedeemCode(t.Context(), code, store.Grant{ID: store.HashOf("handle"), ClientID: id, Subject: "local:bob", Username: "bob", Created: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	bob := h.tab()
	if page := bob.enter("/apps", "bob", bobsPassword); !strings.Contains(page, id) || !strings.Contains(page, "unverified") {
		t.Errorf("connected apps: %s", page)
	}
	b, _ := h.asCarol()
	page := b.open("/admin?client=" + url.QueryEscape(id))
	if len(formsWith(t, page, "delete")) != 0 || !strings.Contains(page, "metadata document") {
		t.Errorf("the client: %s", page)
	}
	if page := b.submit(formWith(t, page, "revoke"), "revoke"); !strings.Contains(page, "the grant has ended") {
		t.Errorf("revoked: %s", page)
	}
}
