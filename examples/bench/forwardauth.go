// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
)

// With -forward-auth the program compares what answers a reverse proxy whether
// a request may pass, and as whom.
const (
	bareName         = "bare"
	oauthdynName     = "oauthdyn"
	originalAuthName = "original"
	originalLogsName = "original-logs"
)

// roleForwardAuth is the floor: it sets the headers of a person, whoever asks.
// The next argument is its address.
const roleForwardAuth = "forward-auth"

func forwardAuthNames() []string {
	return []string{bareName, oauthdynName, originalAuthName, originalLogsName}
}

// forwardAuthLoads are as many checks at a time as a proxy has connections.
var forwardAuthLoads = []load{
	{Key: "one", Title: "1 at a time", Sessions: 1, Depth: 1},
	{Key: "many", Title: "16 at a time", Sessions: 1, Depth: 16},
}

// tokenLength is about that of the other systems' tokens.
const tokenLength = 600

// The person whom the tokens are for.
const (
	person         = "alice"
	personPassword = "correct horse battery staple"
)

// prepareForwardAuth returns the systems that opts names, with what they need
// built or installed.
func prepareForwardAuth(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	wanted := func(name string) bool { return opts.systems == nil || slices.Contains(opts.systems, name) }
	var systems []system
	if wanted(bareName) {
		systems = append(systems, &bareAuth{self: self})
	}
	if wanted(oauthdynName) {
		binary, err := buildCommand(ctx, scratch, "oauthdyn", progress)
		if err != nil {
			return nil, err
		}
		systems = append(systems, &oauthdynAuth{binary: binary, scratch: scratch})
	}
	if wanted(originalAuthName) || wanted(originalLogsName) {
		if opts.install {
			if err := originalAuthPeer.ensure(ctx, opts.peers, progress); err != nil {
				return nil, err
			}
		}
	}
	if wanted(originalAuthName) {
		systems = append(systems, newOriginalAuth(opts.peers, scratch, false))
	}
	if wanted(originalLogsName) {
		systems = append(systems, newOriginalAuth(opts.peers, scratch, true))
	}
	return systems, nil
}

// setPersonHeaders is the least that a forward-auth service does: the headers
// that oauthdyn sets, without a look at the token.
func setPersonHeaders(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Authorization", "")
	h.Set("X-Auth-Token", "")
	h.Set(userHeader, "local:"+person)
	h.Set("X-User-Name", person)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// bareAuth is a handler that only sets the headers.
type bareAuth struct{ self string }

func (*bareAuth) name() string    { return bareName }
func (*bareAuth) title() string   { return "bare net/http" }
func (*bareAuth) missing() string { return "" }

func (s *bareAuth) start(ctx context.Context) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return startHTTPServer(ctx, []string{s.self, roleForwardAuth, address}, nil, address, checksOf(strings.Repeat("x", tokenLength), "local:"+person))
}

// oauthdynAuth is the command of this repository, authorization server and
// forward-auth in one process, where the person has signed in.
type oauthdynAuth struct{ binary, scratch string }

func (*oauthdynAuth) name() string    { return oauthdynName }
func (*oauthdynAuth) title() string   { return "oauthdyn serve --verify" }
func (*oauthdynAuth) missing() string { return "" }

func (s *oauthdynAuth) start(ctx context.Context) (_ server, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data, err := dataOfPerson(s.scratch)
	if err != nil {
		return nil, err
	}
	protected := "http://" + address + "/mcp"
	command := []string{s.binary, "serve", "--verify", "--addr", address, "--data", data, "--log-level", "error",
		"--resource", protected + "=mcp", "--rule", "scope=mcp"}
	started, err := startHTTPServer(ctx, command, nil, address, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			started.stop()
		}
	}()
	client, err := oauthdyn.New(oauthdyn.Config{
		Resource: protected, ClientName: "bench", LoginTimeout: startTimeout,
		OpenURL: (&browser.Browser{Username: person, Password: personPassword}).Open,
	})
	if err != nil {
		return nil, err
	}
	token, err := client.Authenticate(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", err)
	}
	started.client = checksOf(token.AccessToken, "local:"+person)
	return started, nil
}

// dataOfPerson makes a data directory for oauthdyn serve, where the person can
// sign in.
func dataOfPerson(scratch string) (dir string, err error) {
	if dir, err = os.MkdirTemp(scratch, "oauthdyn-"); err != nil {
		return "", err
	}
	users, err := local.Open(filepath.Join(dir, "users"))
	if err != nil {
		return "", err
	}
	return dir, users.Set(person, personPassword)
}

// checksOf opens sessions that ask about a request with this token, and expect
// to hear that it is the user's.
func checksOf(token, user string) opener {
	return func(ctx context.Context, address, _ string) (session, error) {
		s := &checkSession{address: address, user: user, request: []byte(
			"GET /verify HTTP/1.1\r\n" + headerLine("Host", address) +
				headerLine("X-Forwarded-Method", "POST") + headerLine("X-Forwarded-Proto", "http") +
				headerLine("X-Forwarded-Host", address) + headerLine("X-Forwarded-Uri", "/mcp") +
				headerLine("X-Forwarded-For", "192.0.2.1") + headerLine("Accept", typeJSON+", "+typeEvents) +
				headerLine("Mcp-Protocol-Version", modernVersion) + headerLine("Mcp-Method", "tools/call") +
				headerLine("Mcp-Name", "echo") + headerLine("User-Agent", "bench") +
				headerLine("Authorization", "Bearer "+token) + "\r\n")}
		return s, s.try(ctx)
	}
}

// A checkSession is the same question again and again.
type checkSession struct {
	address, user string
	request       []byte
}

// try asks once.
func (s *checkSession) try(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	if err := c.ask(0); err != nil {
		return err
	}
	return c.check(0)
}

func (s *checkSession) lanes(ctx context.Context, depth int) ([]lane, error) {
	return dialLanes(ctx, depth, s.dial)
}

func (s *checkSession) dial(ctx context.Context) (*checkLane, error) {
	c, err := dialHTTP(ctx, s.address)
	if err != nil {
		return nil, err
	}
	return &checkLane{httpConn: c, checkSession: s}, nil
}

// A checkLane is a persistent connection of a proxy.
type checkLane struct {
	httpConn
	*checkSession
}

func (c *checkLane) drive(ctx context.Context, p *plan) tally {
	return c.repeat(ctx, p, c.ask, c.check)
}

func (c *checkLane) ask(int64) error { return c.roundTrip(c.request) }

func (c *checkLane) check(int64) error {
	switch {
	case c.reply.status != http.StatusOK:
		return fmt.Errorf("HTTP status %d: %.200s", c.reply.status, c.reply.body)
	case string(c.reply.user) != c.user:
		return fmt.Errorf("the answer says %q, want user %q", c.reply.user, c.user)
	}
	return nil
}
