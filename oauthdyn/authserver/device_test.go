// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

const grantDevice = "urn:ietf:params:oauth:grant-type:device_code"

func newDeviceHarness(t *testing.T) *harness {
	return newHarness(t, &oauthdyntest.Options{Scopes: []string{"mcp"}, Adjust: func(o *authserver.Options) { o.DeviceFlow = true }})
}

// television registers a public client for devices.
func (h *harness) television() *oauthdyn.ClientInformation {
	return h.register(`{"client_name":"Television","token_endpoint_auth_method":"none","grant_types":["` + grantDevice + `","refresh_token"]}`)
}

// codes is the answer of the device authorization endpoint.
type codes struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"`
	Interval                int    `json:"interval"`
}

func (h *harness) startDevice(clientID string, edits ...string) (c codes) {
	h.t.Helper()
	form := url.Values{"client_id": {clientID}}
	edit(form, edits)
	req := newRequest(h.t, "POST", h.Issuer+"/device_authorization", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if res := send(h.t, req, &c); res.StatusCode != 200 {
		h.t.Fatalf("device authorization: %s", res.Status)
	}
	return c
}

func pollForm(clientID, code string, edits ...string) url.Values {
	form := url.Values{"grant_type": {grantDevice}, "client_id": {clientID}, "device_code": {code}}
	edit(form, edits)
	return form
}

// Our own client library signs in on a machine without a browser, refreshes and
// signs out; the person says no to another.
func TestDeviceFlowOfOurClient(t *testing.T) {
	t.Parallel() // it waits for the polling interval, twice
	h := newDeviceHarness(t)
	browser := h.Browser()
	prompt := func(ctx context.Context, a oauthdyn.DeviceAuthorization) error {
		return browser.Enter(ctx, a.VerificationURI, strings.ToLower(a.UserCode))
	}
	client, err := oauthdyn.New(oauthdyn.Config{Resource: h.ResourceURL, ClientName: "Television", Flow: oauthdyn.DeviceCode{Prompt: prompt}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if res, body := fetch(t, client.HTTPClient(), newRequest(t, "GET", h.ResourceURL, "")); res.StatusCode != 200 || body != "hello alice\n" {
		t.Errorf("%s %s", res.Status, body)
	}
	if _, err := client.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if err := client.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	browser.Deny = true
	if _, err := client.Authenticate(t.Context()); err == nil || !strings.Contains(err.Error(), oauthdyn.CodeAccessDenied) {
		t.Errorf("after a no: %v", err)
	}
}

// A client that we did not write.
func TestDeviceFlowOfOthers(t *testing.T) {
	h := newDeviceHarness(t)
	config := oauth2.Config{
		ClientID: h.television().ClientID, Scopes: []string{"mcp"},
		Endpoint: oauth2.Endpoint{DeviceAuthURL: h.Issuer + "/device_authorization", TokenURL: h.Issuer + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	answer, err := config.DeviceAuth(t.Context(), oauth2.SetAuthURLParam("resource", h.ResourceURL))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Browser().Enter(t.Context(), answer.VerificationURIComplete, answer.UserCode); err != nil {
		t.Fatal(err)
	}
	answer.Interval = 1
	token, err := config.DeviceAccessToken(t.Context(), answer)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := h.call(token.AccessToken); status != 200 || token.RefreshToken == "" {
		t.Errorf("%d %s, refresh token %v", status, body, token.RefreshToken != "")
	}
}

func TestDeviceAuthorizationResponse(t *testing.T) { // RFC 8628 section 3.2
	h := newDeviceHarness(t)
	client := h.television()
	if client.ResponseTypes == nil || len(client.ResponseTypes) > 0 || len(client.RedirectURIs) > 0 {
		t.Errorf("registered %+v", client)
	}
	c := h.startDevice(client.ClientID)
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(c.UserCode) || len(c.DeviceCode) < 43 ||
		c.VerificationURI != h.Issuer+"/device" || c.VerificationURIComplete != h.Issuer+"/device?user_code="+c.UserCode || c.ExpiresIn != 600 || c.Interval != 5 {
		t.Errorf("%+v", c)
	}
	// The code in the address is shown and not used.
	res, page := h.page(newRequest(t, "GET", c.VerificationURIComplete, ""))
	if res.StatusCode != 200 || !strings.Contains(page, `value="`+c.UserCode+`"`) || !strings.Contains(page, "Compare this code") || strings.Contains(page, "Television") {
		t.Errorf("%s %s", res.Status, page)
	}
	res, page = h.page(newRequest(t, "GET", h.Issuer+"/device?user_code=%22%3E%3Cscript%3E", ""))
	if res.StatusCode != 200 || strings.Contains(page, "script>") {
		t.Errorf("S29: %s %s", res.Status, page)
	}
}

func TestS13S14S47S53DeviceAuthorizationRefusals(t *testing.T) {
	h := newDeviceHarness(t)
	tv, browserApp := h.television(), h.public()
	confidential := h.register(`{"grant_types":["` + grantDevice + `"]}`)
	for name, test := range map[string]struct {
		form   url.Values
		status int
		code   string
	}{
		"no client":        {url.Values{}, 401, oauthdyn.CodeInvalidClient},
		"unknown client":   {url.Values{"client_id": {"client_x"}}, 401, oauthdyn.CodeInvalidClient},
		"S47 no secret":    {url.Values{"client_id": {confidential.ClientID}}, 401, oauthdyn.CodeInvalidClient},
		"S48 secret":       {url.Values{"client_id": {tv.ClientID}, "client_secret": {"x"}}, 401, oauthdyn.CodeInvalidClient},
		"S53 another flow": {url.Values{"client_id": {browserApp.ClientID}}, 400, oauthdyn.CodeUnauthorizedClient},
		"S13 resource":     {url.Values{"client_id": {tv.ClientID}, "resource": {"https://other.example/mcp"}}, 400, oauthdyn.CodeInvalidTarget},
		"S14 scope":        {url.Values{"client_id": {tv.ClientID}, "scope": {"admin"}}, 400, oauthdyn.CodeInvalidScope},
	} {
		req := newRequest(t, "POST", h.Issuer+"/device_authorization", test.form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		var e oauthdyn.Error
		if res := send(t, req, &e); res.StatusCode != test.status || e.Code != test.code || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v", name, res.Status, &e)
		}
	}
	for _, method := range []string{"GET", "PUT"} {
		if res := send(t, newRequest(t, method, h.Issuer+"/device_authorization", ""), nil); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, res.Status)
		}
	}
	// S53: such a client has no other way, and needs this one.
	if res, _ := h.page(newRequest(t, "GET", h.authorizeURL(tv.ClientID), "")); res.StatusCode != 400 {
		t.Errorf("authorize: %s", res.Status)
	}
	wantError(t, h.token(h.redeemForm(tv.ClientID, "x")), 400, oauthdyn.CodeUnauthorizedClient)
	// Without the option there is nothing of it.
	off := newHarness(t, nil)
	for _, path := range []string{"/device", "/device_authorization"} {
		if res := send(t, newRequest(t, "POST", off.Issuer+path, ""), nil); res.StatusCode != 404 {
			t.Errorf("%s is there: %s", path, res.Status)
		}
	}
	wantError(t, off.token(pollForm(off.public().ClientID, "x")), 400, oauthdyn.CodeUnsupportedGrantType)
	req := newRequest(t, "POST", off.Issuer+"/register", `{"grant_types":["`+grantDevice+`"]}`)
	req.Header.Set("Content-Type", "application/json")
	var e oauthdyn.Error
	if res := send(t, req, &e); res.StatusCode != 400 || e.Code != oauthdyn.CodeInvalidClientMetadata {
		t.Errorf("registration: %s %v", res.Status, &e)
	}
	for server, want := range map[*harness]bool{h: true, off: false} {
		_, body := server.page(newRequest(t, "GET", server.Issuer+"/.well-known/oauth-authorization-server", ""))
		if strings.Contains(body, `"device_authorization_endpoint":"`+server.Issuer+`/device_authorization"`) != want || strings.Contains(body, grantDevice) != want {
			t.Errorf("metadata %s", body)
		}
	}
}

// visitor is a browser that is driven by hand.
type visitor struct {
	h       *harness
	cookies []*http.Cookie
}

func (v *visitor) open(method, path string, form url.Values, headers ...string) (*http.Response, string) {
	v.h.t.Helper()
	req := newRequest(v.h.t, method, v.h.Issuer+path, form.Encode())
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range v.cookies {
		req.AddCookie(c)
	}
	res, body := v.h.page(req)
	v.cookies = append(v.cookies, res.Cookies()...)
	return res, body
}

// enter sends a user code and returns the page that comes.
func (v *visitor) enter(code string, headers ...string) (*http.Response, string) {
	v.h.t.Helper()
	_, page := v.open("GET", "/device", nil)
	_, csrf := hidden(page)
	return v.open("POST", "/device", url.Values{"csrf": {csrf}, "user_code": {code}}, headers...)
}

func TestA10A13S22DeviceConsentPage(t *testing.T) {
	h := newDeviceHarness(t)
	c := h.startDevice(h.television().ClientID)
	v := &visitor{h: h}
	res, page := v.enter(" " + strings.ToLower(strings.ReplaceAll(c.UserCode, "-", " ")))
	for _, want := range []string{"Television", "unverified", h.ResourceURL, "<code>mcp</code>", "<strong>" + c.UserCode + "</strong>", "If somebody sent you the code"} {
		if res.StatusCode != 200 || !strings.Contains(page, want) {
			t.Errorf("%s, the page lacks %q: %s", res.Status, want, page)
		}
	}
	if strings.Contains(page, "You will be sent to") {
		t.Error("the page names a redirect")
	}
	for _, path := range []string{"/device"} {
		res, _ := v.open("GET", path, nil)
		h := res.Header
		if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") ||
			h.Get("X-Frame-Options") != "DENY" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers %v", h)
		}
	}
}

// S21: the form counts only in the browser that it was made for.
func TestS21DeviceForms(t *testing.T) {
	h := newDeviceHarness(t)
	client := h.television().ClientID
	c := h.startDevice(client)
	v, other := &visitor{h: h}, &visitor{h: h}
	_, page := v.open("GET", "/device", nil)
	_, csrf := hidden(page)
	other.open("GET", "/device", nil)
	form := url.Values{"csrf": {csrf}, "user_code": {c.UserCode}}
	for name, send := range map[string]func() *http.Response{
		"other browser": func() *http.Response { res, _ := other.open("POST", "/device", form); return res },
		"no cookie":     func() *http.Response { res, _ := (&visitor{h: h}).open("POST", "/device", form); return res },
		"cross-site": func() *http.Response {
			res, _ := v.open("POST", "/device", form, "Sec-Fetch-Site", "cross-site")
			return res
		},
		"no token": func() *http.Response {
			res, _ := v.open("POST", "/device", url.Values{"user_code": {c.UserCode}})
			return res
		},
	} {
		if res := send(); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if res, _ := v.open("DELETE", "/device", nil); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %s", res.Status)
	}
	// The consent form that follows is that of this browser, too.
	_, page = v.open("POST", "/device", form)
	tx, csrf := hidden(page)
	if res, _ := other.open("POST", "/consent", url.Values{"tx": {tx}, "csrf": {csrf}, "action": {"approve"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("consent in another browser: %s", res.Status)
	}
	wantError(t, h.token(pollForm(client, c.DeviceCode)), 400, oauthdyn.CodeAuthorizationPending)
}

// Approvals are not remembered: the next device that asks could be anybody's.
func TestS20DevicesAskEachTime(t *testing.T) {
	h := newDeviceHarness(t)
	client := h.television().ClientID
	browser := h.Browser()
	first := h.startDevice(client)
	if err := browser.Enter(t.Context(), first.VerificationURI, first.UserCode); err != nil {
		t.Fatal(err)
	}
	second := h.startDevice(client)
	browser.Deny = true // the person can only say no if there is a question
	if err := browser.Enter(t.Context(), second.VerificationURI, second.UserCode); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.token(pollForm(client, second.DeviceCode)), 400, oauthdyn.CodeAccessDenied)
	if reply := h.token(pollForm(client, first.DeviceCode)); reply.Status != 200 {
		t.Errorf("the first one: %d %v", reply.Status, &reply.Error)
	}
}

func TestS40S41S43DeviceCodes(t *testing.T) {
	h := newDeviceHarness(t)
	client := h.television().ClientID
	other := h.register(`{"client_name":"Other","token_endpoint_auth_method":"none","grant_types":["` + grantDevice + `"]}`).ClientID
	c := h.startDevice(client)
	wantError(t, h.token(pollForm(client, "")), 400, oauthdyn.CodeInvalidRequest)
	wantError(t, h.token(pollForm(client, "x")), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(pollForm(client, c.UserCode)), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(pollForm(other, c.DeviceCode)), 400, oauthdyn.CodeInvalidGrant) // S43
	if err := h.Browser().Enter(t.Context(), c.VerificationURI, c.UserCode); err != nil {
		t.Fatal(err)
	}
	// The code is used up for others who have seen it.
	if err := h.Browser().Enter(t.Context(), c.VerificationURI, c.UserCode); err == nil || !strings.Contains(err.Error(), "no such code") {
		t.Errorf("entered again: %v", err)
	}
	wantError(t, h.token(pollForm(other, c.DeviceCode)), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(pollForm(client, c.DeviceCode, "resource", "https://other.example/mcp")), 400, oauthdyn.CodeInvalidTarget)

	// S40: of many requests one gets the tokens. S41: they are revoked then.
	var tokens atomic.Pointer[tokenReply]
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if reply := h.token(pollForm(client, c.DeviceCode)); reply.Status == 200 {
				if tokens.Swap(&reply) != nil {
					t.Error("tokens were given twice")
				}
			}
		})
	}
	all.Wait()
	reply := tokens.Load()
	if reply == nil {
		t.Fatal("nobody got tokens")
	}
	if status, _ := h.call(reply.AccessToken); status != 401 {
		t.Errorf("the access token after a replay: %d", status)
	}
	wantError(t, h.token(refreshForm(client, reply.RefreshToken)), 400, oauthdyn.CodeInvalidGrant)

	// A code of the one grant is none of the other.
	both := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","grant_types":["` + grantDevice + `","authorization_code"]}`).ClientID
	wantError(t, h.token(pollForm(both, h.code(both))), 400, oauthdyn.CodeInvalidGrant)
	c = h.startDevice(both)
	if err := h.Browser().Enter(t.Context(), c.VerificationURI, c.UserCode); err != nil {
		t.Fatal(err)
	}
	wantError(t, h.token(h.redeemForm(both, c.DeviceCode)), 400, oauthdyn.CodeInvalidGrant)
	wantError(t, h.token(h.redeemForm(both, c.DeviceCode, "redirect_uri", "")), 400, oauthdyn.CodeInvalidGrant)
	if reply := h.token(pollForm(both, c.DeviceCode)); reply.Status != 200 || reply.RefreshToken != "" {
		t.Errorf("after all that: %d %+v", reply.Status, reply.Error)
	}
}

// Two people who enter the same code before one agrees: one wins.
func TestDeviceIsDecidedOnce(t *testing.T) {
	h := newDeviceHarness(t)
	client := h.television().ClientID
	c := h.startDevice(client)
	var forms [2]url.Values
	visitors := [2]*visitor{{h: h}, {h: h}}
	for i, v := range visitors {
		_, page := v.enter(c.UserCode)
		tx, csrf := hidden(page)
		forms[i] = url.Values{"tx": {tx}, "csrf": {csrf}, "action": {"deny"}}
	}
	if res, page := visitors[0].open("POST", "/consent", forms[0]); res.StatusCode != 200 || !strings.Contains(page, "not connected") {
		t.Errorf("%s %s", res.Status, page)
	}
	if res, page := visitors[1].open("POST", "/consent", forms[1]); res.StatusCode != 403 || !strings.Contains(page, "This code has expired") {
		t.Errorf("%s %s", res.Status, page)
	}
	wantError(t, h.token(pollForm(client, c.DeviceCode)), 400, oauthdyn.CodeAccessDenied)
}

// deviceClock drives a server by a fake clock.
type deviceClock struct {
	t      *testing.T
	server *authserver.Server
	client string
}

func newDeviceClock(t *testing.T) *deviceClock {
	d := &deviceClock{t: t, server: mustServer(t, func(o *authserver.Options) { o.DeviceFlow = true })}
	rec := do(d.server, "POST", "/register", `{"token_endpoint_auth_method":"none","grant_types":["`+grantDevice+`"]}`, "Content-Type", "application/json")
	var info oauthdyn.ClientInformation
	if err := json.Unmarshal(rec.Body.Bytes(), &info); err != nil {
		t.Fatal(err)
	}
	d.client = info.ClientID
	return d
}

func (d *deviceClock) post(path string, form url.Values, v any, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	rec := do(d.server, "POST", path, form.Encode(), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
	if v != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), v); err != nil {
			d.t.Fatalf("%s: %s", path, rec.Body)
		}
	}
	return rec
}

func TestDevicePolling(t *testing.T) { // RFC 8628 section 3.5
	synctest.Test(t, func(t *testing.T) {
		d := newDeviceClock(t)
		var c codes
		d.post("/device_authorization", url.Values{"client_id": {d.client}}, &c)
		poll := func(want string) {
			t.Helper()
			var e oauthdyn.Error
			if rec := d.post("/token", pollForm(d.client, c.DeviceCode), &e); rec.Code != 400 || e.Code != want {
				t.Errorf("%d %v, want %s", rec.Code, &e, want)
			}
		}
		poll(oauthdyn.CodeAuthorizationPending)
		poll(oauthdyn.CodeSlowDown)
		time.Sleep(time.Second)
		poll(oauthdyn.CodeSlowDown)
		time.Sleep(time.Duration(c.Interval)*time.Second - 500*time.Millisecond) // the network is not exact
		poll(oauthdyn.CodeAuthorizationPending)
		time.Sleep(time.Duration(c.ExpiresIn) * time.Second)
		poll(oauthdyn.CodeExpiredToken)
		poll(oauthdyn.CodeExpiredToken)
		time.Sleep(time.Hour)
		poll(oauthdyn.CodeInvalidGrant)
	})
}

// Nobody tries many codes, nor has many made.
func TestDeviceLimits(t *testing.T) { // RFC 8628 section 5.1
	synctest.Test(t, func(t *testing.T) {
		d := newDeviceClock(t)
		page := get(d.server, "https://auth.example/device")
		_, csrf := hidden(page.Body.String())
		cookie := page.Result().Cookies()[0]
		try := func(code string) int {
			return d.post("/device", url.Values{"csrf": {csrf}, "user_code": {code}}, nil, "Cookie", cookie.Name+"="+cookie.Value, "Host", "auth.example").Code
		}
		for i := range 60 {
			if code := try("BCDF-GHJK"); code != 400 {
				t.Fatalf("guess %d: %d", i, code)
			}
		}
		var c codes
		d.post("/device_authorization", url.Values{"client_id": {d.client}}, &c)
		if code := try(c.UserCode); code != http.StatusTooManyRequests {
			t.Errorf("a right code after 60 wrong ones: %d", code)
		}
		time.Sleep(time.Minute)
		if code := try(c.UserCode); code != 200 {
			t.Errorf("a minute later: %d", code)
		}
		status := 0
		for range 101 {
			status = d.post("/device_authorization", url.Values{"client_id": {d.client}}, nil).Code
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("request 101: %d", status)
		}
	})
}

// The grant of a device is one of its person, which ends with the others.
func TestDeviceGrantIsAPersons(t *testing.T) {
	h := newDeviceHarness(t)
	client := h.television().ClientID
	c := h.startDevice(client)
	if err := h.Browser().Enter(t.Context(), c.VerificationURI, c.UserCode); err != nil {
		t.Fatal(err)
	}
	reply := h.token(pollForm(client, c.DeviceCode))
	if claims := tokenClaims(t, reply.AccessToken); claims["sub"] != "local:alice" || claims["client_id"] != client || claims["scope"] != "mcp" {
		t.Errorf("claims %v", claims)
	}
	if n, err := h.AuthServer.RevokeGrants(t.Context(), store.Owner{Subject: "local:alice"}); err != nil || n != 1 {
		t.Errorf("%d grants, %v", n, err)
	}
	if status, _ := h.call(reply.AccessToken); status != 401 {
		t.Errorf("after revocation: %d", status)
	}
}
