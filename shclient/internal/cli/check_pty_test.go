// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"net/http/httptest"
	"testing"
)

// On a terminal a check shows how it goes, from the first question on.
func TestCheckOnATerminal(t *testing.T) {
	server := httptest.NewServer(mcpHandler(nil))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s := onTerminal(t, nil, "check", server.URL+"/mcp", "--protocol", "2025-11-25", "--rule", "lifecycle.ping")
	s.await("asking which versions the server ")
	s.await("MUST")
	if status := s.end(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}
