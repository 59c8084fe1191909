// SPDX-License-Identifier: Apache-2.0

package era

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

func TestIsModern(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{
		`"result":{"supportedVersions":["2026-07-28"]}`:                                         true,
		`"result":{"supportedVersions":["2025-11-25","2027-01-01"]}`:                            true,
		`"result":{"supportedVersions":["2025-11-25"]}`:                                         false,
		`"result":{"supportedVersions":"2026-07-28"}`:                                           false,
		`"result":{"supportedVersions":[]}`:                                                     false,
		`"result":{"supportedVersions":[1]}`:                                                    false,
		`"result":{}`:                                                                           false,
		`"result":[]`:                                                                           false,
		`"error":{"code":-32601,"message":""}`:                                                  false,
		`"error":{"code":-32602,"message":""}`:                                                  false,
		`"error":{"code":-32020,"message":""}`:                                                  true,
		`"error":{"code":-32021,"message":""}`:                                                  true,
		`"error":{"code":-32022,"message":""}`:                                                  true,
		`"error":{"code":-32022,"message":"","data":{"supported":["2027-01-01"]}}`:              true,
		`"error":{"code":-32022,"message":"","data":{"supported":["2025-11-25"]}}`:              false,
		`"error":{"code":-32022,"message":"","data":{"supported":["2025-11-25","2026-07-28"]}}`: true,
	} {
		frame := []byte(`{"jsonrpc":"2.0","id":1,` + answer + `}`)
		m, err := jsonrpc.Scan(frame)
		if err != nil {
			t.Fatal(err)
		}
		if got := IsModern(frame, m); got != want {
			t.Errorf("%s: %v", answer, got)
		}
	}
}

func TestAgree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ offered, answered, want string }{
		{"2025-11-25", "2025-11-25", "2025-11-25"},
		{"2024-11-05", "2025-11-25", "2024-11-05"},
		{"2025-11-25", "2024-11-05", "2024-11-05"},
		{"2025-06-18", "2026-07-28", "2025-06-18"},
		{"1999-01-01", "2025-11-25", "2025-11-25"},
		{"", "2025-11-25", "2025-11-25"},
	} {
		if got := Agree(test.offered, test.answered); got != test.want {
			t.Errorf("offered %q, answered %q: agreed on %q", test.offered, test.answered, got)
		}
	}
}
