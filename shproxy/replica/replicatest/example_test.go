// SPDX-License-Identifier: Apache-2.0

package replicatest_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica/replicatest"
)

// The test of a directory.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestDirectory(t *testing.T)
		replicatest.Run(t, func(*testing.T) replica.Directory { return new(replica.Memory) })
	}
}
