// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"os"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// TestMain turns the test binary into the wrapped server when it is run as
// one.
func TestMain(m *testing.M) {
	if mode := os.Getenv(testserver.Env); mode != "" {
		os.Exit(testserver.Run(mode, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}
