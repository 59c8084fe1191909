// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import "testing"

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

// TestTranslatingSandwich lets the suite judge both bridges in a row, of which
// shclient has to translate: shproxy carries it, and passes bytes, since it
// speaks both eras; its server speaks one.
func TestTranslatingSandwich(t *testing.T) {
	requireSuite(t)
	shproxy, shclient, server := buildShproxy(t), buildShclient(t), buildOneEra(t)
	for _, test := range []struct{ version, server string }{
		{"2025-06-18", "modern"},
		{"2025-11-25", "modern"},
		{"2026-07-28", "legacy"},
	} {
		t.Run(test.version+" before "+test.server, func(t *testing.T) {
			inner := startShproxyWith(t, shproxy, []string{"--protocol", test.server, "--server-protocol", test.server}, server, "-era", test.server)
			url := startShproxy(t, shproxy, shclient, inner)
			judgeServer(t, test.version, url, knownFailures(t, "expected-failures-translating-sandwich-"+test.version+".yml"))
		})
	}
}
