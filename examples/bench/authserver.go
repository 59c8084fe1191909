// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/oauth2"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// With -auth-server the program compares what authorization servers issue.
const (
	boltName         = "bolt"
	redisName        = "redis"
	oidcProviderName = "oidc-provider"
)

func authServerNames() []string { return []string{boltName, redisName, oidcProviderName} }

// Keys of the loads, which are the operations.
const (
	loadRefresh     = "refresh"
	loadCredentials = "credentials"
	loadRegister    = "register"
)

// authServerLoads are in the order of measuring: registrations make the largest
// stores. A store has room for 10,000 clients.
var authServerLoads = []load{
	{Key: loadRefresh, Title: "refresh", Sessions: manySessions, Depth: 1},
	{Key: loadCredentials, Title: "client credentials", Sessions: manySessions, Depth: 1},
	{Key: loadRegister, Title: "registration", Sessions: manySessions, Depth: 1, Most: 7_500},
}

// benchResource is what all tokens are for. Nothing connects to it.
const benchResource = "https://mcp.example/mcp"

// The client of the client credentials grant.
const (
	robot       = "robot"
	robotSecret = "a-secret-of-a-robot-on-loopback" // of a server that lives for a minute
)

// oidcProviderPeer is the reference implementation of Node.js.
var oidcProviderPeer = peer{key: oidcProviderName, pack: "oidc-provider", version: "8.8.1", kind: npmPackage}

//go:embed testdata/oidc-provider.mjs
var oidcProviderScript string

func prepareAuthServers(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error) {
	wanted := func(name string) bool { return opts.systems == nil || slices.Contains(opts.systems, name) }
	var systems []system
	if wanted(boltName) || wanted(redisName) {
		binary, err := buildCommand(ctx, scratch, "oauthdyn", progress)
		if err != nil {
			return nil, err
		}
		if wanted(boltName) {
			systems = append(systems, &authServer{binary: binary, scratch: scratch})
		}
		if wanted(redisName) {
			redis, _ := exec.LookPath("redis-server") // "": it is missing
			systems = append(systems, &redisAuthServer{authServer{binary: binary, scratch: scratch}, redis})
		}
	}
	if wanted(oidcProviderName) {
		if opts.install {
			if err := oidcProviderPeer.ensure(ctx, opts.peers, progress); err != nil {
				return nil, err
			}
		}
		systems = append(systems, &oidcProvider{opts.peers})
	}
	return systems, nil
}

// authServer is the command of this repository on its embedded store.
type authServer struct{ binary, scratch string }

func (*authServer) name() string    { return boltName }
func (*authServer) title() string   { return "oauthdyn serve, bolt" }
func (*authServer) missing() string { return "" }

func (s *authServer) start(ctx context.Context) (server, error) { return s.startOn(ctx) }

// startOn starts the server with further flags, and signs a person in.
func (s *authServer) startOn(ctx context.Context, flags ...string) (_ *authServerProcess, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data, err := dataOfPerson(s.scratch)
	if err != nil {
		return nil, err
	}
	secret := filepath.Join(data, "robot-secret")
	if err := os.WriteFile(secret, []byte(robotSecret+"\n"), 0o600); err != nil {
		return nil, err
	}
	command := append([]string{s.binary, "serve", "--addr", address, "--data", data, "--log-level", "error",
		"--resource", benchResource + "=mcp",
		"--registration-limits", "network=off software=off all=off", "--client", "id=" + robot + " secret-file=" + secret + " scope=mcp"}, flags...)
	started, err := startHTTPServer(ctx, command, nil, address, nil)
	if err != nil {
		return nil, err
	}
	a := &authServerProcess{httpServer: started, endpoints: endpoints{token: "/token", register: "/register"}}
	a.grants = &signIns{issuer: "http://" + address, person: &browser.Browser{Username: person, Password: personPassword}}
	return a, nil
}

// authServerProcess opens sessions that have a grant each.
type authServerProcess struct {
	*httpServer
	endpoints endpoints
	grants    interface {
		// next returns a public client and a refresh token of it.
		next(ctx context.Context) (client, refreshToken string, err error)
	}
}

// endpoints are paths.
type endpoints struct{ token, register string }

func (a *authServerProcess) open(ctx context.Context) (session, error) {
	client, token, err := a.grants.next(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, a.output)
	}
	return &tokenSession{address: a.address, endpoints: a.endpoints, client: client, refreshToken: token}, nil
}

// signIns are grants that a person gives to one client after another.
type signIns struct {
	issuer string
	person *browser.Browser
}

func (s *signIns) next(ctx context.Context) (client, refreshToken string, err error) {
	res, err := post[registered](ctx, s.issuer+"/register", registration(0))
	if err != nil {
		return "", "", err
	}
	const callback = "https://client.example/cb"
	verifier := oauth2.GenerateVerifier()
	config := oauth2.Config{
		ClientID: res.ClientID, RedirectURL: callback,
		Endpoint: oauth2.Endpoint{AuthURL: s.issuer + "/authorize", TokenURL: s.issuer + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	at, err := s.person.Authorize(ctx, config.AuthCodeURL("", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", benchResource)))
	if err != nil {
		return "", "", err
	}
	token, err := config.Exchange(ctx, at.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return "", "", fmt.Errorf("signing in: %w", err)
	}
	return res.ClientID, token.RefreshToken, nil
}

// registration is the metadata of a public client, as an MCP client sends it.
// Each number is another client.
func registration(number int64) []byte {
	return fmt.Appendf(nil, `{"client_name":"bench %d","redirect_uris":["https://client.example/cb"],`+
		`"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`, number)
}

// post sends a request and decodes the answer.
func post[T any](ctx context.Context, url string, body []byte) (answer T, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", typeJSON)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return answer, fmt.Errorf("%s: %s", url, res.Status)
	}
	return answer, json.NewDecoder(res.Body).Decode(&answer)
}

// registered is the id of a client.
type registered struct {
	ClientID string `json:"client_id"`
}

// redisAuthServer is the same with a Redis of its own, whose log is on disk
// before it answers, as bolt's file is.
type redisAuthServer struct {
	authServer
	redis string
}

func (*redisAuthServer) name() string  { return redisName }
func (*redisAuthServer) title() string { return "oauthdyn serve, Redis" }

func (s *redisAuthServer) missing() string {
	if s.redis == "" {
		return noRedisHint
	}
	return ""
}

func (s *redisAuthServer) start(ctx context.Context) (_ server, err error) {
	redis, address, err := startRedis(ctx, s.redis, s.scratch, "--appendonly", "yes", "--appendfsync", "always")
	if err != nil {
		return nil, err
	}
	started, err := s.startOn(ctx, "--store", "redis://"+address+"/0")
	if err != nil {
		redis.stop()
		return nil, err
	}
	return &withRedis{started, redis}, nil
}

// withRedis is a server and its Redis.
type withRedis struct {
	server
	redis *process
}

func (s *withRedis) pids() []int { return append(s.server.pids(), s.redis.pid()) }
func (s *withRedis) stop() int   { return s.server.stop() + s.redis.stop() }

// startRedis starts a Redis that listens on loopback and keeps its files in a
// directory of its own.
func startRedis(ctx context.Context, binary, scratch string, flags ...string) (_ *process, address string, err error) {
	if address, err = freeAddress(); err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", err
	}
	dir, err := os.MkdirTemp(scratch, "redis-")
	if err != nil {
		return nil, "", err
	}
	redis, err := startProcess(append([]string{binary, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", ""}, flags...), nil, false)
	if err != nil {
		return nil, "", err
	}
	if err := redis.waitListening(ctx, address); err != nil {
		redis.stop()
		return nil, "", fmt.Errorf("redis-server: %w", err)
	}
	return redis, address, nil
}

// oidcProvider keeps everything in memory.
type oidcProvider struct{ peersDir string }

func (*oidcProvider) name() string  { return oidcProviderName }
func (*oidcProvider) title() string { return oidcProviderPeer.label() + ", in memory" }

func (s *oidcProvider) missing() string {
	if !oidcProviderPeer.installed(s.peersDir) {
		return absentHint
	}
	return ""
}

func (s *oidcProvider) start(ctx context.Context) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	module := filepath.Join(oidcProviderPeer.dir(s.peersDir), oidcProviderPeer.pack, "lib", "index.js")
	started, err := startHTTPServer(ctx, []string{"node", "--input-type=module", "--eval", oidcProviderScript,
		module, address, robot, robotSecret, benchResource}, nil, address, nil)
	if err != nil {
		return nil, err
	}
	return &authServerProcess{
		httpServer: started, endpoints: endpoints{token: "/token", register: "/reg"},
		grants: scriptGrants("http://" + address + "/grant"),
	}, nil
}

// scriptGrants is where the script of a peer hands out grants: how people sign
// in there is not what is measured.
type scriptGrants string

func (s scriptGrants) next(ctx context.Context) (client, refreshToken string, err error) {
	grant, err := post[struct {
		registered
		tokens
	}](ctx, string(s), nil)
	return grant.ClientID, grant.RefreshToken, err
}

// basic is the header of the client credentials grant's client.
func basic() string {
	return headerLine("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(robot+":"+robotSecret)))
}
