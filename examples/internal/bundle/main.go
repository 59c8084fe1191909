// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
)

// Scratch is a directory for what tests build. It is there while [Main] runs.
var Scratch string

// Main runs the tests of the example of that name, and returns the exit status.
// If they are to install what they need, it does that first, within ten minutes.
func Main(m *testing.M, example string, install bool, bundles ...Bundle) int {
	fail := func(err error) int {
		fmt.Fprintf(os.Stderr, "%s: %v\n", example, err)
		return 1
	}
	if install {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if err := Install(ctx, os.Stdout, bundles...); err != nil {
			return fail(err)
		}
	}
	dir, err := os.MkdirTemp("", example)
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	Scratch = dir
	return m.Run()
}

// Need skips the test where one of the bundles of an example is not installed.
func Need(t testing.TB, example string, bundles ...Bundle) {
	t.Helper()
	if what := Missing(bundles...); what != "" {
		need.Missing(t, what+" are not installed: go test ./examples/"+example+" -run '^$' -install")
	}
}
