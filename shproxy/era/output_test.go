// SPDX-License-Identifier: Apache-2.0

package era

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// checkScanned tells whether a message is what it says of itself.
func checkScanned(t testing.TB, msg Message) {
	t.Helper()
	m, err := jsonrpc.Scan(msg.Frame)
	if err != nil || msg.Scanned.Kind != jsonrpc.Invalid && msg.Scanned != m {
		t.Fatalf("%s\nis said to be %+v, but is %+v (%v)", msg.Frame, msg.Scanned, m, err)
	}
}
