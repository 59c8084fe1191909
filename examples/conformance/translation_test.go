// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"os"
	"testing"
)

// TestTranslation lets the suite, as a client of one era, judge shproxy around
// a server of the other. TestOneEra shows that these servers have everything,
// so what is missing was lost in translation.
func TestTranslation(t *testing.T) {
	requireSuite(t)
	shproxy, server := buildShproxy(t), buildOneEra(t)
	for _, test := range []struct{ version, server string }{
		{"2025-06-18", "modern"},
		{"2025-11-25", "modern"},
		{"2026-07-28", "legacy"},
	} {
		t.Run(test.version+" around "+test.server, func(t *testing.T) {
			known := knownFailures(t, "expected-failures-translated-"+test.version+".yml")
			judgeServer(t, test.version, startShproxy(t, shproxy, server, "-era", test.server), known)
		})
	}
}

// TestShclientTranslation lets the suite, as a server of one era, judge
// shclient under a client that only speaks the other.
func TestShclientTranslation(t *testing.T) {
	requireTranslation(t)
	requireSuite(t)
	shclient := buildShclient(t)
	for _, test := range []struct{ version, client string }{
		{"2025-06-18", "2026-07-28"},
		{"2025-11-25", "2026-07-28"},
		{"2026-07-28", "2025-11-25"},
	} {
		t.Run(test.version+" under "+test.client, func(t *testing.T) {
			known := knownFailures(t, "expected-failures-shclient-translated-"+test.version+".yml")
			judgeShclient(t, shclient, test.version, test.client, known)
		})
	}
}

// requireTranslation skips the test as long as shclient does not translate.
// MCP_TRANSLATION=1 runs it all the same.
func requireTranslation(t *testing.T) {
	t.Helper()
	if os.Getenv("MCP_TRANSLATION") != "1" {
		t.Skip("shclient does not translate between the eras yet")
	}
}
