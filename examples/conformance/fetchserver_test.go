// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"slices"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

// The reasons for which scenarios are left out with fetchserver.
const (
	needsFixture = "it asks for tools, prompts or resources by the names of the suite's own fixture"
	needsSession = "it is about sessions, of which fetchserver has none"
	noFeature    = "it is about what fetchserver does not have"
)

// fetchserverLeftOut are the scenarios that say nothing of fetchserver, at
// whatever version. All others are judged.
var fetchserverLeftOut = map[string][]string{
	needsFixture: {
		"tools-call-simple-text", "tools-call-image", "tools-call-audio", "tools-call-embedded-resource", "tools-call-mixed-content",
		"tools-call-with-logging", "tools-call-error", "tools-call-with-progress", "tools-call-sampling", "tools-call-elicitation",
		"resources-read-text", "resources-read-binary", "resources-templates-read",
		"prompts-get-simple", "prompts-get-with-args", "prompts-get-embedded-resource", "prompts-get-with-image",
		"json-schema-2020-12", "elicitation-sep1034-defaults", "elicitation-sep1330-enums", "http-custom-header-server-validation",
		"input-required-result-basic-elicitation", "input-required-result-basic-sampling", "input-required-result-basic-list-roots",
		"input-required-result-request-state", "input-required-result-multiple-input-requests", "input-required-result-multi-round",
		"input-required-result-missing-input-response", "input-required-result-non-tool-request", "input-required-result-result-type",
		"input-required-result-tampered-state", "input-required-result-capability-check", "input-required-result-ignore-extra-params",
	},
	needsSession: {"server-sse-polling"},
	noFeature:    {"completion-complete", "resources-subscribe", "resources-unsubscribe"},
}

// fetchserverJudged are the scenarios of a version that the suite judges
// fetchserver by.
var fetchserverJudged = map[string][]string{
	"2025-06-18": {"server-initialize", "server-session-lifecycle", "logging-set-level", "ping", "tools-list", "resources-list", "prompts-list"},
	"2025-11-25": {
		"server-initialize", "server-session-lifecycle", "logging-set-level", "ping", "tools-list", "resources-list", "prompts-list",
		"server-sse-multiple-streams", "dns-rebinding-protection",
	},
	"2026-07-28": {
		"server-stateless", "tools-list", "resources-list", "prompts-list", "sep-2164-resource-not-found", "caching",
		"server-sse-multiple-streams", "dns-rebinding-protection", "http-header-validation",
		"input-required-result-unsupported-methods", "input-required-result-validate-input",
	},
}

// TestFetchserver lets the suite judge the real command by all scenarios that
// need no tools of the suite's own.
func TestFetchserver(t *testing.T) {
	requireSuite(t)
	program, err := servetest.Build(t.Context(), t.TempDir(), "fetchserver")
	if err != nil {
		t.Fatal(err)
	}
	leftOut := map[string]bool{}
	for _, names := range fetchserverLeftOut {
		for _, name := range names {
			leftOut[name] = true
		}
	}
	for version, judged := range fetchserverJudged {
		t.Run(version, func(t *testing.T) {
			for _, name := range listScenarios(t, "--server", version) {
				if leftOut[name] == slices.Contains(judged, name) {
					t.Errorf("%s must be either judged or left out", name)
				}
			}
			url := byName(servetest.Listen(t, program, "--port", "0"))
			results := runSuite(t, "server", "--url", url, "--suite", "all", "--spec-version", version)
			for name := range leftOut {
				delete(results, name)
			}
			compare(t, judged, results, knownFailures(t, "expected-failures-fetchserver-"+version+".yml"))
		})
	}
}
