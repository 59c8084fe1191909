// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// What oidc-provider.mjs knows.
const (
	providerInitialToken = "initial"
	providerAskerSecret  = "the secret of who asks about tokens"
)

// startOIDCProvider starts npm's oidc-provider and returns its issuer.
func startOIDCProvider(t *testing.T, robot *ecdsa.PrivateKey) string {
	t.Helper()
	keys, err := oauthdyn.PublicKeySet(robot, "")
	if err != nil {
		t.Fatal(err)
	}
	_, lines := startNode(t, "oidc-provider.mjs", string(keys), providerInitialToken, providerAskerSecret)
	return nextLine(t, lines, "http://127.0.0.1:")
}

// startNode starts a program of testdata around oidc-provider. It ends with its
// standard input.
func startNode(t *testing.T, args ...string) (io.Writer, *bufio.Scanner) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		need.Missing(t, "needs Node 20 or newer: "+err.Error())
	}
	if !oidcProviderBundle().Installed() {
		need.Missing(t, "needs oidc-provider"+howToInstall)
	}
	cmd := exec.Command("node", args...)
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
	return stdin, bufio.NewScanner(stdout)
}

// nextLine returns the next line with a prefix, among warnings about development.
func nextLine(t *testing.T, lines *bufio.Scanner, prefix string) string {
	t.Helper()
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), prefix) {
			return lines.Text()
		}
	}
	t.Fatal("oidc-provider has ended")
	return ""
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestOIDCProviderClient goes through the life of a client in all ways to a
// grant.
func TestOIDCProviderClient(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	issuer := startOIDCProvider(t, key)
	s := newSite(t)
	g := s.add(t, "/jwt", issuer, nil)
	resources := map[string]string{"Bearer": g.url, "DPoP": s.addAny("/opaque", issuer, "DPoP")}
	t.Run("step-up", func(t *testing.T) {
		t.Parallel()
		newProgram(t, oauthdyn.Config{Resource: g.url, InitialAccessToken: providerInitialToken}).stepUp(t, g)
	})

	for _, scheme := range []string{"Bearer", "DPoP"} {
		for name, cfg := range map[string]oauthdyn.Config{
			"browser":         {},
			"private_key_jwt": {ClientKey: key},
			"device":          {Flow: oauthdyn.DeviceCode{}},
		} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				t.Parallel()
				cfg.Resource, cfg.InitialAccessToken = resources[scheme], providerInitialToken
				// It knows nothing of tokens that it did not keep.
				newProgram(t, cfg).life(t, s, resources[scheme], scheme == "DPoP")
			})
		}
		t.Run(scheme+" client credentials", func(t *testing.T) {
			t.Parallel()
			cfg := oauthdyn.Config{Resource: resources[scheme], ClientID: "robot", ClientKey: key, Flow: oauthdyn.ClientCredentials{}}
			newProgram(t, cfg).use(t, resources[scheme])
		})
	}
}

// TestOIDCProviderResource shows tokens to our resource side: JWTs, and opaque
// ones that it has to ask about.
func TestOIDCProviderResource(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	// Both have the same keys, which come with oidc-provider.
	ours, theirs := startOIDCProvider(t, key), startOIDCProvider(t, key)
	for _, form := range []string{"jwt", "opaque"} {
		t.Run(form, func(t *testing.T) {
			s := newSite(t)
			var verifier resource.Verifier
			if form == "opaque" {
				var err error
				if verifier, err = resource.NewIntrospectionVerifier(resource.IntrospectionOptions{
					Issuer: ours, ClientID: "asker", ClientSecret: providerAskerSecret, Audience: s.url + "/opaque", MaxAge: -1,
					ClientAsSubject: true, // it names no subject after client credentials
				}); err != nil {
					t.Fatal(err)
				}
			}
			g := s.add(t, "/"+form, ours, verifier)
			signIn := func(path string, scopes ...string) *program {
				return signedIn(t, oauthdyn.Config{Resource: s.url + path, InitialAccessToken: providerInitialToken, Scopes: scopes})
			}
			// Resources of the same audience, see oidc-provider.mjs.
			s.add(t, "/"+form+"/foreign", theirs, nil)
			s.add(t, "/"+form+"/stale", ours, nil)
			s.add(t, "/"+form+"-elsewhere", ours, nil)

			full := signIn("/"+form, "read", "write")
			bound := signedIn(t, oauthdyn.Config{Resource: g.url, InitialAccessToken: providerInitialToken, Scopes: []string{"read"}, DPoP: true})
			x := tokens{
				full:      full.store.grant().AccessToken,
				narrow:    signIn("/"+form, "read").store.grant().AccessToken,
				elsewhere: signIn("/"+form+"-elsewhere", "read").store.grant().AccessToken,
				foreign:   signIn("/"+form+"/foreign", "read").store.grant().AccessToken,
				expired:   signIn("/"+form+"/stale", "read").store.grant().AccessToken,
				others: map[string]string{
					"refresh token":        full.store.grant().RefreshToken,
					"token bound to a key": bound.store.grant().AccessToken,
				},
			}
			x.judgedBy(t, g, resource.Principal{Issuer: ours, Subject: alice.name})
			t.Run("client credentials", func(t *testing.T) {
				newProgram(t, oauthdyn.Config{Resource: g.url, ClientID: "robot", ClientKey: key, Flow: oauthdyn.ClientCredentials{}}).use(t, g.url)
			})
			if form == "jwt" {
				return // nobody is asked
			}
			t.Run("revoked", func(t *testing.T) {
				if err := full.Revoke(t.Context()); err != nil {
					t.Fatal(err)
				}
				want := outcome{http.StatusUnauthorized, oauthdyn.CodeInvalidToken}
				if got, _ := g.try(t, "", x.full); got != want {
					t.Errorf("%v: want %v", got, want)
				}
			})
		})
	}
}
