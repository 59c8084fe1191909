// SPDX-License-Identifier: Apache-2.0

package shclient_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// A login comes to its end while the program works: many calls at once, one
// refresh, or one window if that is what it takes, and the program sees nothing
// of it. The session goes on.
func TestLoginEndsInMidSession(t *testing.T) {
	server := toolServer(nil)
	sessions := map[string]bool{}
	p := newProtected(t, nil)
	p.Server = oauthdyntest.New(t, &oauthdyntest.Options{
		Handler: streamable(server, &mcp.StreamableHTTPOptions{}),
		// A refresh token that is used twice ends the grant.
		Adjust: func(o *authserver.Options) { o.RefreshGrace = -1 },
	})
	t.Cleanup(p.Protected.CloseClientConnections)
	program := startBridge(t, p.options(nil), nil)
	program.send(initializeLine, initializedLine)
	program.next()
	id := 1
	call := func(want string) {
		t.Helper()
		const n = 8
		var lines, ids []string
		for range n {
			id++
			ids = append(ids, strconv.Itoa(id))
			lines = append(lines, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}`, id))
		}
		program.send(lines...)
		for range ids {
			if line := program.next(); !strings.Contains(line, want) {
				t.Errorf("got %s, want %s", line, want)
			}
		}
		for s := range server.Sessions() {
			sessions[s.ID()] = true
		}
	}
	want := func(what string, logins int32, tokens int) {
		t.Helper()
		if got := p.logins.Load(); got != logins {
			t.Errorf("%s: %d logins, want %d", what, got, logins)
		}
		if got := p.Requests("/token"); got != tokens {
			t.Errorf("%s: %d requests for tokens, want %d", what, got, tokens)
		}
	}
	call(`"text":"hi"`)
	want("in the beginning", 1, 1)

	p.endAccess(t)
	call(`"text":"hi"`)
	want("after the access token has ended", 1, 2)

	// As after a sleep, when the network is not there yet: calls fail, the grant
	// stays, and nobody is asked.
	p.endAccess(t)
	p.SetFaults(oauthdyntest.Faults{Path: "/token", Status: http.StatusServiceUnavailable})
	call(`"error":{"code":-32000,`)
	if got := p.logins.Load(); got != 1 {
		t.Errorf("without an authorization server: %d logins, want 1", got)
	}
	p.SetFaults(oauthdyntest.Faults{})
	tokens := p.Requests("/token")
	call(`"text":"hi"`)
	want("when it is back", 1, tokens+1)

	if err := p.RevokeGrants(t.Context()); err != nil {
		t.Fatal(err)
	}
	call(`"text":"hi"`)
	want("after the grant was revoked", 2, tokens+3) // the refresh that is refused, and the code
	if len(sessions) != 1 {
		t.Errorf("%d sessions, want 1", len(sessions))
	}
	if err := program.wait(); err != nil {
		t.Error(err)
	}
	p.check(t)
}

// endAccess ends all access tokens. Those of the same second would end, too.
func (p *protected) endAccess(t *testing.T) {
	t.Helper()
	if err := p.RevokeAccess(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(time.Unix(time.Now().Unix()+1, 0)))
}
