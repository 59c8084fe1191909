// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// modernCall sends a request of MCP 2026-07-28.
func modernCall(t *testing.T, m *Manager, principal, id, method string) testCall {
	t.Helper()
	return modernFrame(t, m, principal, nil, request(id, method))
}

// modernChild waits for the next child and lets it start.
func modernChild(t *testing.T, stage *testserver.Stage) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(strings.Replace(discoverFrame, `"id":0`, `"id":1`, 1))
	child.Says(discovered("1"))
	return child
}

func discovered(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}`
}

func modernFrame(t *testing.T, m *Manager, principal string, env []string, frame string) testCall {
	t.Helper()
	c, err := m.Call(principal, env, []byte(frame), scan(t, frame), noEdit, true)
	if err != nil {
		t.Fatal(err)
	}
	return testCall{c, &testReader{t, c.Reader(true), EventID{}}}
}
