// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import "testing"

// TestOneEra shows that the servers of a single era, around which shproxy has
// to translate, lack nothing in their own: clients of that era get everything.
func TestOneEra(t *testing.T) {
	requireSuite(t)
	shproxy, server := buildShproxy(t), buildOneEra(t)
	for _, test := range []struct{ era, version string }{
		{"legacy", "2025-06-18"},
		{"legacy", "2025-11-25"},
		{"modern", "2026-07-28"},
	} {
		t.Run(test.era+" at "+test.version, func(t *testing.T) {
			judgeServer(t, test.version, startShproxy(t, shproxy, server, "-era", test.era), baseline{})
		})
	}
}

func buildOneEra(t *testing.T) string { return build(t, "../oneera", ".") }
