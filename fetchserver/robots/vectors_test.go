// SPDX-License-Identifier: Apache-2.0

package robots_test

import (
	"os"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// TestSpecVectors runs the expectations of google/robotstxt-spec-test.
func TestSpecVectors(t *testing.T) {
	dir := os.Getenv("MCP_TEST_DATA")
	if dir == "" {
		t.Skip("MCP_TEST_DATA is not set: it names a directory with robots/google-robotstxt-spec-test.tar (github.com/google/robotstxt-spec-test)")
	}
	vectors, err := dataset.ReadRobots(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if got := robots.Parse([]byte(v.File)).AllowedPath(v.Path(), v.Agent); got != v.Allowed {
			t.Errorf("%s: agent %q, url %q: allowed = %v, want %v\n%s", v.Set, v.Agent, v.URL, got, v.Allowed, v.File)
		}
	}
	if len(vectors) != 400 {
		t.Errorf("read %d expectations, want 400", len(vectors))
	}
}
