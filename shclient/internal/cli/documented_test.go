// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocumentedCommandLines holds that each command line in the README and in
// the examples of --help is run as written by a script of testdata/script, up
// to where the server is: $URL for https://example.com/mcp, and a server of the
// tests for one of npm.
func TestDocumentedCommandLines(t *testing.T) {
	run := map[string]bool{}
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, name := range scripts {
		for _, line := range linesOf(t, name) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			run[commandLine(line)] = true
		}
	}
	documented := append(readmeLines(t), exampleLines((&app{}).root())...)
	if len(documented) < 10 {
		t.Fatalf("only %d documented lines: %q", len(documented), documented)
	}
	slices.Sort(documented)
	for _, line := range slices.Compact(documented) {
		if !run[line] {
			t.Errorf("no script runs: %s", line)
		}
	}
}

func linesOf(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// readmeLines are those of the blocks of commands.
func readmeLines(t *testing.T) (list []string) {
	t.Helper()
	block := false
	for _, line := range linesOf(t, "../../README.md") {
		if strings.HasPrefix(line, "```") {
			block = line == "```sh"
		} else if text := commandLine(line); block && text != "" {
			list = append(list, text)
		}
	}
	return list
}

func exampleLines(cmd *cobra.Command) (list []string) {
	for line := range strings.Lines(cmd.Example) {
		if text := commandLine(line); text != "" {
			list = append(list, text)
		}
	}
	for _, sub := range cmd.Commands() {
		list = append(list, exampleLines(sub)...)
	}
	return list
}

var (
	ofCommand = regexp.MustCompile(`(?:^|\s)(shclient\s.*)`)
	bounds    = regexp.MustCompile(` --(calls|duration|warmup) \S+`)
	beyond    = regexp.MustCompile(`\s+(#|\||>|<|&&).*$`) // of interest to a shell only
)

// commandLine is the form in which command lines are compared, or "" if a line
// has none.
func commandLine(line string) string {
	match := ofCommand.FindStringSubmatch(line)
	if match == nil {
		return ""
	}
	text := beyond.ReplaceAllString(match[1], "")
	text = strings.Replace(text, " --drain-timeout 1m", "", 1) // scripts pipe their calls, and machines may be slow
	if strings.HasPrefix(text, "shclient load ") {
		text = bounds.ReplaceAllString(text, "") // 10 seconds are too long for a test
	}
	for from, to := range map[string]string{
		"https://example.com/mcp":                        "$URL",
		"https://staging.example.com/mcp":                "$STAGING",
		"npx -y @modelcontextprotocol/server-everything": "stdioserver",
		"npx -y some-server":                             "stdioserver",
		"richserver":                                     "stdioserver",
	} {
		text = strings.ReplaceAll(text, from, to)
	}
	return strings.Join(strings.Fields(text), " ")
}
