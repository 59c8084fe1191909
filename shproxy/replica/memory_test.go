// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica/replicatest"
)

func TestMemory(t *testing.T) {
	replicatest.Run(t, func(*testing.T) replica.Directory { return new(replica.Memory) })
}
