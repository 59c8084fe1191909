// SPDX-License-Identifier: Apache-2.0

package parent_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/parent"
)

// What a process does whose parent lives; internal/cli tests the other case.
func TestWatchEnds(t *testing.T) {
	stop := parent.Watch(func() { t.Error("the parent of this test is there") })
	stop()
	stop()
}
