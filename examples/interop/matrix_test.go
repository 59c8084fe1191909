// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// cellTimeout bounds one client at one server, which takes a few seconds on a
// quiet machine.
const cellTimeout = 3 * time.Minute

// A client is one that people use.
type client struct {
	name  string
	start func(*testing.T) *driver
	// bridges says that it is mcp-remote, which starts one session to try the
	// connection and one to use it, never ends either, and replaces one that
	// is gone.
	bridges bool
	// losesLast says that the client, on the standard input and output of a
	// server, misses the last progress of a call when its result is there at
	// the same time.
	losesLast bool
}

var (
	goSDK        = client{name: "go-sdk", start: func(t *testing.T) *driver { return startGo(t, nil) }}
	typescriptV1 = client{name: "typescript-v1", start: script("sdk-v1.mjs"), losesLast: true}
	typescriptV2 = client{name: "typescript-v2", start: script("sdk-v2.mjs"), losesLast: true}
	python       = client{name: "python", start: func(t *testing.T) *driver { return startDriver(t, pythonCommand("python"), "driver.py") }}
	remote       = client{name: "mcp-remote", start: func(t *testing.T) *driver { return startGo(t, mcpRemote(t)) }, bridges: true}
)

func script(name string) func(*testing.T) *driver {
	return func(t *testing.T) *driver { return startDriver(t, "node", name) }
}

// A server is one that people wrap.
type server struct {
	name string
	// stage prepares a place for the server and says what happens there.
	stage func(*testing.T) stage
}

type stage struct {
	flags   []string // of the proxy
	env     []string // of the server, beside that of the proxy
	command []string
	plain   bool   // the client cannot be asked for anything
	roots   []root // of the client
	play    func(*conn)
}

// A row of the matrix has the clients that meet a server.
type row struct {
	server
	clients []client
}

// TestLegacy lets clients use servers by protocol version 2025-11-25.
func TestLegacy(t *testing.T) {
	requireSuite(t)
	meetAll(t, eraLegacy, legacyVersion, []row{
		{server{"everything", everything}, []client{goSDK, typescriptV1, typescriptV2, python, remote}},
		{server{"filesystem", filesystem}, []client{goSDK, typescriptV1, typescriptV2, python, remote}},
		{server{"memory", memory}, []client{goSDK, typescriptV1, typescriptV2, python}},
		{server{"sequential-thinking", sequentialThinking}, []client{goSDK, typescriptV1, typescriptV2, remote}},
		{server{"fetch", fetch}, []client{goSDK, typescriptV1, typescriptV2, python, remote}},
		{server{"time", timeV2}, []client{goSDK, typescriptV1}},
		{server{"git", git}, []client{goSDK, typescriptV1, remote}},
	})
}

func meetAll(t *testing.T, era era, version string, rows []row) {
	for _, r := range rows {
		for _, c := range r.clients {
			t.Run(r.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				meet(t, r.server, c, era, version)
			})
		}
	}
}

// meet lets one client play one server's story, and looks at what is left.
func meet(t *testing.T, s server, who client, era era, version string) {
	if *directFlag && who.bridges {
		t.Skip("mcp-remote is for servers on HTTP")
	}
	ctx, cancel := context.WithTimeout(t.Context(), cellTimeout)
	defer cancel()
	st := s.stage(t)
	mark := newMark(t)
	command := slices.Concat([]string{"env", mark}, st.env, st.command)
	c := &conn{T: t, ctx: ctx, who: who, answer: elicited, atOnce: 8}
	if era == eraModern && !st.plain {
		c.atOnce = 3 // each has a process of the server to itself
	}
	if !*directFlag {
		c.proxy = startProxy(t, slices.Concat(who.proxyFlags(), era.flags(), st.flags, []string{"--"}, command)...)
	}
	c.connect(connectParams{Command: command, Era: era, Plain: st.plain, Roots: st.roots}, version)
	if n := c.health().Sessions; c.proxy != nil && n != who.sessions(version) {
		t.Errorf("%d sessions, want %d", n, who.sessions(version))
	}
	c.awaitProcess(mark)
	st.play(c)
	c.wantNoneDropped()
	c.do("close", nil)
	c.awaitNoSession()
	if c.proxy == nil || version == legacyVersion {
		c.awaitNoProcess(mark)
	} // else the process may wait for others
	if c.proxy == nil {
		return
	}
	c.proxy.stop(t)
	if left := markedProcesses(mark); len(left) > 0 {
		t.Errorf("left when shproxy had ended: %s", describe(left))
	}
}

// connect starts a client and connects it to the proxy, without one to the
// command.
func (c *conn) connect(params connectParams, version string) {
	c.Helper()
	c.version = version
	params.Sampling, params.Elicitation = sampled, c.answer
	params.Roots = append([]root{}, params.Roots...) // never null
	if c.proxy != nil {
		params.Command, params.URL = nil, c.proxy.url
	}
	c.driver = c.who.start(c.T)
	c.hello = decode[hello](c, "connect", c.do("connect", params))
	if c.who.bridges {
		version = legacyVersion // between the client and mcp-remote, which translates
	}
	if c.hello.Version != version {
		c.Errorf("%s negotiated version %q, want %q", c.who.name, c.hello.Version, version)
	}
}

// connect is for tests that have a proxy already.
func connect(ctx context.Context, t *testing.T, who client, p *proxy, era era, version string) *conn {
	t.Helper()
	return connectAnswering(ctx, t, who, p, era, version, elicited)
}

// connectAnswering is for tests whose clients do not all give the same answer.
func connectAnswering(ctx context.Context, t *testing.T, who client, p *proxy, era era, version string, answer elicitation) *conn {
	t.Helper()
	c := &conn{T: t, ctx: ctx, who: who, proxy: p, answer: answer}
	c.connect(connectParams{Era: era}, version)
	return c
}

// proxyFlags makes the proxy forget a session that its client does not end.
// One client's proxy tries the server first, as it does by default; the others
// save the time.
func (c client) proxyFlags() []string {
	var flags []string
	if c.name != goSDK.name {
		flags = append(flags, "--no-probe")
	}
	if c.bridges {
		flags = append(flags, "--idle-timeout", "2s")
	}
	return flags
}

// sessions is how many one connection of the client has.
func (c client) sessions(version string) int {
	switch {
	case version == modernVersion:
		return 0
	case c.bridges:
		return 2
	}
	return 1
}

func (c *conn) awaitNoSession() {
	c.Helper()
	await(c.ctx, c.T, func() string {
		if n := c.health().Sessions; n > 0 {
			return fmt.Sprintf("the end of %d sessions", n)
		}
		return ""
	})
}
