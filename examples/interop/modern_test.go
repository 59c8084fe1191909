// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import "testing"

// TestModern lets clients and servers agree on protocol version 2026-07-28,
// through shproxy. Both sides can speak the older versions, too.
func TestModern(t *testing.T) {
	requireSuite(t)
	meetAll(t, eraAuto, modernVersion, []row{
		{server{"go-sdk", goServer}, []client{goSDK, typescriptV2, python, remote}},
		{server{"fetch", fetch}, []client{goSDK, typescriptV2, python, remote}},
		{server{"time", timeV2}, []client{typescriptV2, python}},
		{server{"git", git}, []client{goSDK, typescriptV2, python}},
	})
}
