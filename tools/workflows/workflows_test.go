// SPDX-License-Identifier: Apache-2.0

// Package workflows holds no code: its tests hold the workflows of GitHub and the
// configuration of Dependabot, which no run here would show to be wrong.
package workflows

import (
	"bytes"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"
)

const (
	root = "../.."
	dir  = root + "/.github/workflows"
)

// writers are the jobs that may write anything, and what. A new one needs a
// reason.
var writers = map[string][]string{
	"release.yml/provenance": {"attestations", "id-token"},
	"release.yml/github":     {"contents"},
	"release.yml/image":      {"attestations", "id-token", "packages"},
	"release.yml/npm":        {"id-token"},
	"release.yml/pypi":       {"id-token"},
	"codeql.yml/analyze":     {"security-events"},
	"scorecard.yml/analyze":  {"id-token", "security-events"},
}

func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	pins := map[string]string{} // of an action: commit and version
	var writing []string
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range problems(t, name, text, pins) {
				t.Error(problem)
			}
			w, _ := actionlint.Parse(text)
			for id := range w.Jobs {
				writing = append(writing, name+"/"+id)
			}
		})
	}
	for job := range writers {
		if !slices.Contains(writing, job) {
			t.Errorf("there is no job %s, which may write", job)
		}
	}
}

// problems lists what is wrong with a workflow.
func problems(t *testing.T, name string, text []byte, pins map[string]string) (found []string) {
	bad := func(parts ...string) { found = append(found, strings.Join(parts, ": ")) }
	// Not shellcheck, which some machines have and others do not.
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	errs, err := linter.Lint(name, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range errs {
		bad(e.Error())
	}
	w, _ := actionlint.Parse(text)
	if w == nil {
		return found
	}
	if w.Permissions == nil || len(writes(w.Permissions)) > 0 {
		bad("top", "permissions must be there, and write nothing")
	}
	for _, on := range w.On {
		if slices.Contains([]string{"pull_request_target", "workflow_run"}, on.EventName()) {
			bad("top", "event "+on.EventName()+" gives what it runs the rights of the repository")
		}
	}
	for id, job := range w.Jobs {
		if job.TimeoutMinutes == nil {
			bad(id, "no timeout-minutes")
		}
		if got, want := writes(job.Permissions), writers[name+"/"+id]; !slices.Equal(got, want) {
			bad(id, "writes "+strings.Join(got, ", "), "may write "+strings.Join(want, ", "))
		}
		for _, step := range job.Steps {
			switch exec := step.Exec.(type) {
			case *actionlint.ExecRun:
				checkScript(t, func(what string) { bad(id, what) }, exec.Run.Value)
			case *actionlint.ExecAction:
				if strings.HasPrefix(exec.Uses.Value, "actions/checkout@") {
					if keep := exec.Inputs["persist-credentials"]; keep == nil || keep.Value.Value != "false" {
						bad(id, "checkout leaves the token to the steps after it: persist-credentials: false")
					}
				}
			}
		}
	}
	checkPins(func(what string) { bad(what) }, text, pins)
	return found
}

// writes lists what permissions allow to write.
func writes(p *actionlint.Permissions) (scopes []string) {
	if p == nil {
		return nil
	}
	if p.All != nil && p.All.Value == "write-all" {
		scopes = append(scopes, "everything")
	}
	for _, scope := range slices.Sorted(maps.Keys(p.Scopes)) {
		if p.Scopes[scope].Value.Value == "write" {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

var (
	use      = regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.*)$`)
	pinned   = regexp.MustCompile(`^([\w.-]+/[\w.-]+)[\w./-]*@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$`)
	expanded = regexp.MustCompile(`\$\{\{\s*([^}]*?)\s*\}\}`)
)

// checkPins wants each action at a commit, with the version that Dependabot
// reads beside it, and the same everywhere.
func checkPins(bad func(string), text []byte, pins map[string]string) {
	for _, m := range use.FindAllSubmatch(text, -1) {
		pin := pinned.FindStringSubmatch(string(m[1]))
		if pin == nil {
			bad("uses: " + string(m[1]) + ": want OWNER/NAME@COMMIT # vX.Y.Z")
			continue
		}
		at := pin[2] + " # " + pin[3]
		if before := pins[pin[1]]; before != "" && before != at {
			bad("uses: " + pin[1] + ": " + at + ", and elsewhere " + before)
		}
		pins[pin[1]] = at
	}
}

// checkScript lets bash read a script. What GitHub writes into a script before
// that can be code, so it may only come from this file; the rest comes through
// the environment.
func checkScript(t *testing.T, bad func(string), script string) {
	for _, m := range expanded.FindAllStringSubmatch(script, -1) {
		if !strings.HasPrefix(m[1], "matrix.") {
			bad("script contains ${{ " + m[1] + " }}: give it as env")
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-n")
	cmd.Stdin = strings.NewReader(expanded.ReplaceAllString(script, "x"))
	if out, err := cmd.CombinedOutput(); err != nil {
		bad("script: " + err.Error() + ": " + string(out))
	}
}

// TestBadWorkflows shows that each rule can fail.
func TestBadWorkflows(t *testing.T) {
	const good = `on: push
permissions:
  contents: read
jobs:
  a:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - run: echo "$HOME"
`
	if found := problems(t, "a.yml", []byte(good), map[string]string{}); len(found) > 0 {
		t.Errorf("a good one: %q", found)
	}
	for _, test := range []struct{ old, new, want string }{
		{"@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "want OWNER/NAME@COMMIT"},
		{" # v7.0.1", "", "want OWNER/NAME@COMMIT"},
		{"persist-credentials: false", "persist-credentials: true", "leaves the token"},
		{"contents: read", "contents: write", "write nothing"},
		{"permissions:\n  contents: read\n", "", "must be there"},
		{"    timeout-minutes: 5\n", "", "no timeout-minutes"},
		{"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    permissions:\n      packages: write\n", "writes packages"},
		{"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    permissions: write-all\n", "writes everything"},
		{"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    timeout: 5\n", "unexpected key"},
		{"on: push", "on: pull_request_target", "rights of the repository"},
		{`echo "$HOME"`, `echo "$HOME`, "script: exit status 2"},
		{`echo "$HOME"`, `echo "${{ github.sha }}"`, "give it as env"},
		{`echo "$HOME"`, `echo "${{ github.event.head_commit.message }}"`, "give it as env"},
	} {
		text := strings.Replace(good, test.old, test.new, 1)
		found := problems(t, "a.yml", []byte(text), map[string]string{})
		if !slices.ContainsFunc(found, func(p string) bool { return strings.Contains(p, test.want) }) {
			t.Errorf("%q instead of %q: %q, want %q", test.new, test.old, found, test.want)
		}
	}
	pins := map[string]string{"actions/checkout": "9d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"}
	if found := problems(t, "a.yml", []byte(good), pins); len(found) != 1 || !strings.Contains(found[0], "and elsewhere") {
		t.Errorf("two commits: %q", found)
	}
}

// ecosystems are the files that Dependabot reads, by what it calls them.
var ecosystems = map[string]*regexp.Regexp{
	"gomod": regexp.MustCompile(`(^|/)go\.mod$`),
	"npm":   regexp.MustCompile(`(^|/)package\.json$`),
	"pip":   regexp.MustCompile(`(^|/)requirements[^/]*\.txt$`),
}

// TestDependabot finds each file with dependencies in the configuration.
func TestDependabot(t *testing.T) {
	text, err := os.ReadFile(root + "/.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Version int
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
			Schedule    map[string]string
			Ignore      []map[string]string
			Groups      map[string]map[string][]string
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil {
		t.Fatal(err)
	}
	listed, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]bool{"github-actions /": true}, map[string]bool{}
	for _, file := range strings.Fields(string(listed)) {
		for ecosystem, name := range ecosystems {
			if name.MatchString(file) && file != "go.mod" { // the root module has no requirements
				want[ecosystem+" "+strings.TrimSuffix("/"+filepath.ToSlash(filepath.Dir(file)), "/.")] = true
			}
		}
	}
	for _, u := range config.Updates {
		for _, dir := range append(u.Directories, u.Directory) {
			if dir != "" {
				got[u.Ecosystem+" "+dir] = true
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("it looks at\n%s\nthere are\n%s", list(got), list(want))
	}
}

func list(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), "\n") }
