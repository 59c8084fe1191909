// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/cli"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const (
	// commandVar makes the test binary the command.
	commandVar = "OAUTHDYN_TEST_COMMAND"

	// roundsVar is how often TestKilledServer kills the server.
	roundsVar     = "OAUTHDYN_TEST_KILLS"
	defaultRounds = 5

	killCallback = "https://client.example/cb"
	killVerifier = "a-verifier-of-the-proof-key-that-is-long-enough"
	killResource = "https://mcp.example/mcp"
)

// runAsCommand runs the command in place of the tests if the environment says so.
func runAsCommand() {
	if os.Getenv(commandVar) != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
}

// TestKilledServer kills a server again and again while it writes. Whatever a
// client has received before must work afterwards: registrations, codes, access
// and refresh tokens, and what was revoked must stay so (S45).
func TestKilledServer(t *testing.T) {
	rounds := defaultRounds
	if text := os.Getenv(roundsVar); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", roundsVar, err)
		}
	}
	c := newCustomers(t)
	for round := range rounds {
		server := c.start()
		if round == 0 {
			c.begin()
		}
		c.check()
		c.load(server, 5+rand.IntN(150))
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	server := c.start()
	c.check()
	server.end()
	t.Logf("%d kills; confirmed %d registrations, %d codes, %d refreshes, %d revocations; %d access tokens verified",
		rounds, len(c.clients), c.codesGiven.Load(), c.refreshed.Load(), len(c.revoked), c.verified)
}

// customers are clients and a person, and what they have received.
type customers struct {
	t           *testing.T
	data        string
	addr        string
	flags       []string // of the server, besides those that all have
	issuer      string
	http        *http.Client
	person      *browser.Browser
	verifier    resource.Verifier
	verified    int
	codesGiven  atomic.Int64
	refreshed   atomic.Int64
	accessToken sync.Map // of string: received since the last check

	// Each is written by one goroutine at a time.
	clients []string
	codes   []issued // not redeemed
	chains  []*issued
	revoked []issued
}

// issued is a code, or the newest refresh token of a grant.
type issued struct{ client, secret string }

func newCustomers(t *testing.T) *customers {
	data := t.TempDir()
	users, err := local.Open(data + "/users")
	if err != nil {
		t.Fatal(err)
	}
	if err := users.Set("alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	addr, err := unusedAddr()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := &customers{
		t: t, data: data, addr: addr, issuer: "http://" + addr,
		http:   &http.Client{Transport: transport, Timeout: time.Minute},
		person: &browser.Browser{Username: "alice", Password: "correct horse", Client: &http.Client{Transport: transport, Timeout: time.Minute}},
	}
	c.verifier, err = resource.NewJWTVerifier(resource.JWTOptions{Issuers: []string{c.issuer}, Audience: killResource, HTTPClient: c.http})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type killedServer struct {
	t   *testing.T
	cmd *exec.Cmd
}

// start starts the server and waits until it answers.
func (c *customers) start() *killedServer {
	c.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	args := []string{
		"serve", "--addr", c.addr, "--data", c.data, "--resource", killResource, "--log-level", "error",
		"--registration-limits", "network=off software=off all=off",
	}
	cmd := exec.CommandContext(c.t.Context(), exe, append(args, c.flags...)...)
	cmd.Env = append(os.Environ(), commandVar+"=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	s := &killedServer{c.t, cmd}
	c.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // between two questions
		res, err := c.http.Get(c.issuer + "/jwks")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the server does not answer: %v", err)
		}
	}
}

// end kills the server.
func (s *killedServer) end() {
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Error(err)
	}
	_ = s.cmd.Wait()
}

// begin gets codes, so that there are refresh tokens from the first round on.
func (c *customers) begin() {
	client, ok := c.register()
	for range 4 {
		code, authorized := c.authorize(client)
		ok = ok && authorized
		c.codes = append(c.codes, issued{client, code})
	}
	if !ok {
		c.t.Fatal("the first codes cannot be got")
	}
}

// check uses everything that was received.
func (c *customers) check() {
	c.t.Helper()
	for _, id := range c.clients[max(0, len(c.clients)-50):] {
		if status := c.ask(id); status >= 400 {
			c.t.Errorf("a client that was registered gets %d", status)
		}
	}
	for _, code := range c.codes {
		tokens, status := c.redeem(code)
		if status != http.StatusOK {
			c.t.Errorf("a code that was given out: %d", status)
			continue
		}
		c.chains = append(c.chains, &issued{code.client, tokens.RefreshToken})
	}
	c.codes = nil
	c.chains = c.chains[max(0, len(c.chains)-6):]
	for _, chain := range c.chains {
		if _, status := c.refresh(chain); status != http.StatusOK {
			c.t.Errorf("a refresh token that was received: %d", status)
		}
	}
	for _, token := range c.revoked[max(0, len(c.revoked)-20):] {
		if _, status := c.refresh(&token); status != http.StatusBadRequest {
			c.t.Errorf("a refresh token that was revoked: %d", status)
		}
	}
	c.accessToken.Range(func(token, _ any) bool {
		if _, err := c.verifier.Verify(c.t.Context(), token.(string)); err != nil {
			c.t.Errorf("an access token that was received: %v", err)
		}
		c.verified++
		c.accessToken.Delete(token)
		return true
	})
}

// load works on the server until so many operations are confirmed, and kills it
// in the middle of the next ones.
func (c *customers) load(server *killedServer, operations int) {
	client, ok := c.register()
	if !ok {
		c.t.Fatal("no client could be registered")
	}
	var (
		done    atomic.Int64
		killing sync.Once
		workers sync.WaitGroup
	)
	confirm := func() {
		if done.Add(1) >= int64(operations) {
			killing.Do(server.end)
		}
	}
	// work repeats an operation until the server is gone.
	work := func(operation func() bool) {
		workers.Go(func() {
			for operation() {
				confirm()
			}
			killing.Do(server.end) // so that an operation that fails alone ends the round
		})
	}
	work(func() bool {
		id, ok := c.register()
		if ok {
			c.clients = append(c.clients, id)
		}
		return ok
	})
	for _, chain := range c.chains {
		work(func() bool {
			_, status := c.refresh(chain)
			return c.went(status)
		})
	}
	work(func() bool {
		code, ok := c.authorize(client)
		if ok {
			c.codes = append(c.codes, issued{client, code})
			c.codesGiven.Add(1)
		}
		return ok
	})
	work(func() bool {
		code, ok := c.authorize(client)
		if !ok {
			return false
		}
		tokens, status := c.redeem(issued{client, code})
		if !c.went(status) {
			return false
		}
		if _, status := c.post("/revoke", url.Values{"client_id": {client}, "token": {tokens.RefreshToken}}); !c.went(status) {
			return false
		}
		c.revoked = append(c.revoked, issued{client, tokens.RefreshToken})
		return true
	})
	workers.Wait()
}

// went reports whether an operation was confirmed. 0 is a server that is gone.
func (c *customers) went(status int) bool {
	if status != http.StatusOK && status != 0 {
		c.t.Errorf("status %d", status)
	}
	return status == http.StatusOK
}

func (c *customers) register() (id string, ok bool) {
	body := fmt.Sprintf(`{"redirect_uris":[%q],"token_endpoint_auth_method":"none","client_name":"Client %d"}`, killCallback, rand.Int64())
	res, err := c.http.Post(c.issuer+"/register", "application/json", strings.NewReader(body))
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	var registered struct {
		ClientID string `json:"client_id"`
	}
	if json.NewDecoder(res.Body).Decode(&registered) != nil {
		return "", false
	}
	if res.StatusCode != http.StatusCreated {
		c.t.Errorf("registration: %s", res.Status)
		return "", false
	}
	return registered.ClientID, true
}

func (c *customers) authorizeURL(client string) string {
	return c.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {killCallback}, "resource": {killResource},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(killVerifier)}, "code_challenge_method": {"S256"},
	}.Encode()
}

// ask opens the authorization endpoint and goes no further.
func (c *customers) ask(client string) (status int) {
	stay := *c.http
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := stay.Get(c.authorizeURL(client))
	if err != nil {
		c.t.Error(err)
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func (c *customers) authorize(client string) (code string, ok bool) {
	at, err := c.person.Authorize(context.WithoutCancel(c.t.Context()), c.authorizeURL(client))
	if err != nil {
		return "", false
	}
	return at.Query().Get("code"), at.Query().Has("code")
}

type killTokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

func (c *customers) redeem(code issued) (tokens killTokens, status int) {
	return c.post("/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {code.client}, "code": {code.secret}, "code_verifier": {killVerifier},
	})
}

// refresh moves a chain on if the reply arrives.
func (c *customers) refresh(chain *issued) (tokens killTokens, status int) {
	tokens, status = c.post("/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {chain.client}, "refresh_token": {chain.secret},
	})
	if status == http.StatusOK {
		chain.secret = tokens.RefreshToken
		c.refreshed.Add(1)
	}
	return tokens, status
}

// post returns status 0 if no whole reply arrives.
func (c *customers) post(path string, form url.Values) (tokens killTokens, status int) {
	res, err := c.http.PostForm(c.issuer+path, form)
	if err != nil {
		return tokens, 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return tokens, 0
	}
	if path == "/token" {
		if json.Unmarshal(body, &tokens) != nil {
			return tokens, 0
		}
		if res.StatusCode == http.StatusOK {
			c.accessToken.Store(tokens.AccessToken, nil)
		}
	}
	return tokens, res.StatusCode
}
