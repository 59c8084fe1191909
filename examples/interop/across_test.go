// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import "testing"

// TestModernToLegacy lets clients that choose protocol version 2026-07-28 use
// servers that know only the older ones. shproxy translates.
func TestModernToLegacy(t *testing.T) {
	requireProxy(t)
	meetAll(t, eraModern, modernVersion, []row{
		{server{"everything", everything}, []client{goSDK, typescriptV2, python}},
		{server{"filesystem", filesystem}, []client{goSDK, typescriptV2, python}},
		{server{"filesystem-by-arguments", filesystemByArguments}, []client{goSDK, typescriptV2, python}},
		{server{"memory", memory}, []client{goSDK, typescriptV2, python}},
		{server{"sequential-thinking", sequentialThinking}, []client{typescriptV2}},
		{server{"oneera", oneEra(eraLegacy)}, []client{goSDK, typescriptV2, python}},
		{server{"fetch", told(eraLegacy, fetch)}, []client{goSDK, typescriptV2}},
		{server{"time-v1", timeV1}, []client{goSDK, typescriptV2, python}},
		{server{"git", told(eraLegacy, git)}, []client{typescriptV2}},
	})
}

// TestLegacyToModern lets clients of the older versions use servers that speak
// 2026-07-28 alone.
func TestLegacyToModern(t *testing.T) {
	requireProxy(t)
	meetAll(t, eraLegacy, legacyVersion, []row{
		{server{"oneera", oneEra(eraModern)}, []client{goSDK, typescriptV1, typescriptV2, python, remote}},
		{server{"typescript-v2", typescriptServer}, []client{goSDK, typescriptV1, typescriptV2, python, remote}},
		{server{"go-sdk", told(eraModern, goServer)}, []client{typescriptV1, python}},
		{server{"fetch", told(eraModern, fetch)}, []client{typescriptV1, python}},
		{server{"time", told(eraModern, timeV2)}, []client{typescriptV1, python}},
		{server{"git", told(eraModern, git)}, []client{typescriptV1, python}},
	})
}

// told is a server that speaks both eras, of which shproxy uses but one.
func told(era era, prepare func(*testing.T) stage) func(*testing.T) stage {
	return func(t *testing.T) stage {
		s := prepare(t)
		s.flags = []string{"--server-protocol", string(era)}
		s.plain = era == eraLegacy // else each of several calls gets a process
		return s
	}
}
