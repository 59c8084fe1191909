// SPDX-License-Identifier: Apache-2.0

// Package authservers_test lets the oauthdyn client sign in to authorization
// servers that other people wrote.
package authservers_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// startOIDCProvider starts npm's oidc-provider, whose access tokens live for some
// seconds, and returns its issuer.
func startOIDCProvider(t *testing.T, robot *ecdsa.PrivateKey, lifetime string) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "needs Node 20 or newer: "+err.Error())
	}
	if _, err := os.Stat("testdata/node_modules/oidc-provider"); err != nil {
		missing(t, "needs oidc-provider: npm ci --ignore-scripts --prefix examples/authservers/testdata")
	}
	keys, err := oauthdyn.PublicKeySet(robot, "")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "oidc-provider.mjs", string(keys), lifetime)
	cmd.Dir = "testdata"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); { // among warnings about development
		if strings.HasPrefix(lines.Text(), "http://127.0.0.1:") {
			return lines.Text()
		}
	}
	t.Fatal("oidc-provider does not start")
	return ""
}

// protected is a resource that takes any token of a scheme, since it is not
// what is tried here.
func protected(t *testing.T, issuer, scheme string) string {
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc(oauthdyn.WellKnownResource+"/mcp", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(oauthdyn.ResourceMetadata{
			Resource: s.URL + "/mcp", AuthorizationServers: []string{issuer}, ScopesSupported: []string{"read"},
		})
	})
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), scheme+" ") || (scheme == "DPoP") != (r.Header.Get("DPoP") != "") {
			w.Header().Set("WWW-Authenticate", scheme+` realm="mcp"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return s.URL + "/mcp"
}

var (
	formAction  = regexp.MustCompile(`action="([^"]+)"`)
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// alice signs in and consents to whatever the pages ask.
func alice(ctx context.Context, page string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	h := &http.Client{Jar: jar}
	method, form := http.MethodGet, url.Values{}
	for range 6 {
		req, err := http.NewRequestWithContext(ctx, method, page, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := h.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		action := formAction.FindSubmatch(body)
		switch {
		case err != nil:
			return err
		case resp.StatusCode != http.StatusOK:
			return fmt.Errorf("%s: %s", resp.Status, body)
		case action == nil:
			return nil
		}
		next, err := resp.Request.URL.Parse(strings.ReplaceAll(string(action[1]), "&amp;", "&"))
		if err != nil {
			return err
		}
		method, page, form = http.MethodPost, next.String(), url.Values{"login": {"alice"}, "password": {"any"}}
		for _, input := range hiddenInput.FindAllSubmatch(body, -1) {
			form.Set(string(input[1]), string(input[2]))
		}
	}
	return fmt.Errorf("the pages do not end")
}

func TestOIDCProvider(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := startOIDCProvider(t, key, "15")
	resources := map[string]string{"Bearer": protected(t, issuer, "Bearer"), "DPoP": protected(t, issuer, "DPoP")}

	device := oauthdyn.DeviceCode{Prompt: func(ctx context.Context, a oauthdyn.DeviceAuthorization) error {
		return alice(ctx, a.VerificationURIComplete)
	}}
	for _, scheme := range []string{"Bearer", "DPoP"} {
		for name, change := range map[string]func(*oauthdyn.Config){
			"browser":            func(*oauthdyn.Config) {},
			"private_key_jwt":    func(c *oauthdyn.Config) { c.ClientKey = key },
			"device":             func(c *oauthdyn.Config) { c.Flow = device },
			"client credentials": func(c *oauthdyn.Config) { c.ClientID, c.ClientKey, c.Flow = "robot", key, oauthdyn.ClientCredentials{} },
		} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				t.Parallel()
				cfg := oauthdyn.Config{Resource: resources[scheme], ClientName: "authservers", InitialAccessToken: "initial", OpenURL: alice}
				change(&cfg)
				client, err := oauthdyn.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				life(t, client, resources[scheme], cfg.ClientID == "")
			})
		}
	}
}

// life takes a grant, and the registration that it was issued to, from their
// beginning to their end.
func life(t *testing.T, client *oauthdyn.Client, resource string, registered bool) {
	use := func() string {
		t.Helper()
		resp, err := client.HTTPClient().Get(resource)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("status %s", resp.Status)
		}
		token, err := client.TokenSource(t.Context()).Token()
		if err != nil {
			t.Fatal(err)
		}
		return token.AccessToken
	}
	first := use()
	if !registered {
		return
	}
	if i, err := client.Introspect(t.Context()); err != nil || !i.Active || i.Subject != "alice" {
		t.Errorf("introspection: %+v, %v", i, err)
	}
	renamed, err := client.UpdateRegistration(t.Context(), func(m *oauthdyn.ClientMetadata) { m.ClientName = "renamed" })
	if err != nil || renamed.ClientName != "renamed" {
		t.Errorf("update: %v, %v", renamed, err)
	}
	if info, err := client.ReadRegistration(t.Context()); err != nil || info.ClientName != "renamed" {
		t.Errorf("read: %v, %v", info, err)
	}
	time.Sleep(15 * time.Second) // the lifetime of a token, in which a slow machine has to come as far as this
	if second := use(); second == first {
		t.Error("the token was not refreshed")
	}
	if err := client.Revoke(t.Context()); err != nil {
		t.Errorf("revoke: %v", err)
	}
	use() // after another login
	if err := client.DeleteRegistration(t.Context()); err != nil {
		t.Errorf("delete: %v", err)
	}
	use() // after another registration
	if err := client.Logout(t.Context()); err != nil {
		t.Errorf("logout: %v", err)
	}
}
