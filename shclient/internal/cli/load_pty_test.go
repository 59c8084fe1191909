// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// On a terminal the load shows how it goes, on one line, and Ctrl-C ends it with
// what there is.
func TestLoadOnATerminal(t *testing.T) {
	server := httptest.NewServer(mcpHandler(nil))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s := onTerminal(t, nil, "load", server.URL+"/mcp", "echo", "message=hello", "--duration", "1h", "--warmup", "0s")
	s.await("\r\x1b[K░░░")
	bar := plainText(s.await(" calls/s  p50 ") + s.await(" ms"))
	if n := len([]rune(bar)) + 3; n >= 80 || !strings.Contains(bar, "░ ") {
		t.Errorf("the bar has %d columns: %q", n, bar)
	}
	s.press("\x03")
	s.await("\r\x1b[Kecho at http://")
	s.await("in flight")
	table := plainText(s.await("interrupted: this is what there was until then"))
	if !strings.Contains(table, " 8 ") {
		t.Errorf("the table is %q", table)
	}
	s.await("by share of calls")
	if status := s.end(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}
