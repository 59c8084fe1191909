// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// revived plays the part of the child that takes the place of one that ended.
func revived(t *testing.T, stage *testserver.Stage) *testserver.Actor {
	t.Helper()
	child := stage.Next()
	child.Expect(strings.Replace(initFrame, `"init"`, "1", 1))
	child.Says(initAnswer("1"))
	child.Expect(initializedFrame)
	return child
}
