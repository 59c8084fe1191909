// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// A keycloak is a running Keycloak, which forgets all when it ends.
type keycloak struct {
	url      string
	password string // of the administrator
}

const startTimeout = 4 * time.Minute

func startKeycloak(t *testing.T, build keycloakBuild, args ...string) *keycloak {
	if testing.Short() {
		t.Skip("Keycloak takes a minute")
	}
	t.Helper()
	if !build.installed() {
		need.Missing(t, "needs Keycloak "+keycloakVersion+howToInstall)
	}
	k := &keycloak{password: rand.Text()}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := build.command(ctx, append([]string{
		"start", "--optimized", "--cache=local", "--http-enabled=true", "--http-host=127.0.0.1", "--http-port=0", "--hostname-strict=false",
	}, args...)...)
	if _, err := exec.LookPath(cmd.Path); err != nil {
		cancel()
		need.Missing(t, "needs Java 17 or newer: apt-get install default-jre-headless")
	}
	cmd.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+k.password)
	log := &keycloakLog{listens: make(chan string, 1)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("Keycloak said:\n%s", log.text())
		}
	})
	select {
	case k.url = <-log.listens:
	case <-ended:
		t.Fatal("Keycloak ended")
	case <-time.After(startTimeout):
		t.Fatalf("Keycloak does not listen within %v", startTimeout)
	}
	return k
}

// A keycloakLog keeps what Keycloak writes, and says where it listens.
type keycloakLog struct {
	listens chan string

	mu   sync.Mutex
	kept bytes.Buffer
	said bool
}

var listening = regexp.MustCompile(`Listening on: (http://127\.0\.0\.1:[0-9]+)\s`)

func (l *keycloakLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept.Write(p)
	if found := listening.FindSubmatch(l.kept.Bytes()); found != nil && !l.said {
		l.said = true
		l.listens <- string(found[1])
	}
	return len(p), nil
}

func (l *keycloakLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept.String()
}

// admin calls the Admin REST API, and reads its answer into one that is not nil.
func (k *keycloak) admin(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	token := (&realm{k, "master"}).token(t, url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {k.password},
	})
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, k.url+"/admin/realms"+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	k.call(t, req, answer)
}

func newForm(t *testing.T, address string, form url.Values) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func (k *keycloak) call(t *testing.T, req *http.Request, answer any) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s, %v", req.Method, req.URL, resp.Status, data, err)
	}
	if answer != nil {
		if err := json.Unmarshal(data, answer); err != nil {
			t.Fatalf("%s %s: %v", req.Method, req.URL, err)
		}
	}
}

// A realm is one authorization server of a Keycloak.
type realm struct {
	*keycloak
	name string
}

// object is JSON.
type object map[string]any

// newRealm makes a realm where alice has an account. Its refresh tokens serve
// once.
func (k *keycloak) newRealm(t *testing.T, name string) *realm {
	t.Helper()
	k.admin(t, http.MethodPost, "", object{
		"realm": name, "enabled": true, "revokeRefreshToken": true, "refreshTokenMaxReuse": 0,
	}, nil)
	k.admin(t, http.MethodPost, "/"+name+"/users", object{
		"username": alice.name, "enabled": true, "email": "alice@example.com", "emailVerified": true, "firstName": "Alice", "lastName": "Liddell",
		"credentials": []object{{"type": "password", "value": alice.password}},
	}, nil)
	return &realm{k, name}
}

func (r *realm) issuer() string { return r.url + "/realms/" + r.name }

// addScope makes a scope that any client may ask for. A token with it is for
// the audiences.
func (r *realm) addScope(t *testing.T, name string, mappers ...object) {
	t.Helper()
	r.admin(t, http.MethodPost, "/"+r.name+"/client-scopes", object{
		"name": name, "protocol": "openid-connect", "protocolMappers": mappers,
		"attributes": object{"include.in.token.scope": "true"},
	}, nil)
	var scopes []struct{ ID, Name string }
	r.admin(t, http.MethodGet, "/"+r.name+"/client-scopes", nil, &scopes)
	for _, s := range scopes {
		if s.Name == name {
			r.admin(t, http.MethodPut, "/"+r.name+"/default-optional-client-scopes/"+s.ID, nil, nil)
			return
		}
	}
	t.Fatalf("there is no scope %q", name)
}

// audience puts an audience into tokens: an address, or a client.
func audience(kind, value string) object {
	return object{
		"name": "audience " + value, "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
		"config": object{"included." + kind + ".audience": value, "access.token.claim": "true", "introspection.token.claim": "true"},
	}
}

// addClient makes a client that is known by hand.
func (r *realm) addClient(t *testing.T, client object) {
	t.Helper()
	r.admin(t, http.MethodPost, "/"+r.name+"/clients", client, nil)
}

// initialAccessToken allows some registrations.
func (r *realm) initialAccessToken(t *testing.T, count int) string {
	t.Helper()
	var answer struct{ Token string }
	r.admin(t, http.MethodPost, "/"+r.name+"/clients-initial-access", object{"count": count, "expiration": 3600}, &answer)
	if answer.Token == "" {
		t.Fatal("no initial access token")
	}
	return answer.Token
}

// issued is a token response.
type issued struct {
	AccessToken string `json:"access_token"`
	IDToken     string `json:"id_token"`
}

// token sends a token request that our client has no part in.
func (r *realm) token(t *testing.T, form url.Values) (answer issued) {
	t.Helper()
	r.call(t, newForm(t, r.issuer()+"/protocol/openid-connect/token", form), &answer)
	return answer
}
