// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func testApp() *app {
	return &app{stdout: os.Stdout, stderr: io.Discard, environment: environment{func() []string { return nil }, func(string) (string, bool) { return "", false }}}
}

// TestDocumentedCommandLines holds that each command line in the README and in
// the examples of --help is run as written by a script of testdata/script, up to
// where the site is: $SITE for https://example.com. Those that serve are run with
// --check-config.
func TestDocumentedCommandLines(t *testing.T) {
	run := map[string]bool{}
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, name := range scripts {
		for _, line := range linesOf(t, name) {
			if !strings.HasPrefix(line, "#") {
				run[commandLine(line)] = true
			}
		}
	}
	documented := append(readmeLines(t), exampleLines(testApp().command())...)
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
	return strings.Split(strings.ReplaceAll(string(text), "\\\n", ""), "\n")
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
	for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", "")) {
		if text := commandLine(line); text != "" {
			list = append(list, text)
		}
	}
	for _, sub := range cmd.Commands() {
		list = append(list, exampleLines(sub)...)
	}
	return list
}

var ofCommand = regexp.MustCompile(`(?:^|\s)(fetchserver(?:\s.*|$))`)

// commandLine is the form in which command lines are compared, or "" if a line
// has none.
func commandLine(line string) string {
	match := ofCommand.FindStringSubmatch(line)
	if match == nil {
		return ""
	}
	text, _, _ := strings.Cut(match[1], " #")
	text = strings.Replace(text, " --check-config", "", 1)
	text = strings.NewReplacer("https://example.com", "$SITE", "http://127.0.0.1:8080", "$SITE", "127.0.0.1:8080", "$ADDR").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

var flagName = regexp.MustCompile("`--([a-z0-9-]+)")
var inCode = regexp.MustCompile("`([^`]*)`")

// README.md has every setting and its default, and none that is not there; and
// every variable of other programs.
func TestDocumentedSettings(t *testing.T) {
	_, all := (&config{}).register(&cobra.Command{}, true)
	inTable := map[string]bool{}
	for _, row := range tableRows(t, "## Settings", "### Coming") {
		names, defaults := flagName.FindAllStringSubmatch(row[0], -1), inCode.FindAllStringSubmatch(row[1], -1)
		if len(names) == 0 || len(defaults) != 0 && len(defaults) != len(names) {
			t.Errorf("row %q: %d flags and %d defaults", row[0], len(names), len(defaults))
			continue
		}
		for i, name := range names {
			flag := all.Lookup(name[1])
			if flag == nil || flag.Hidden {
				t.Errorf("--%s is no setting", name[1])
				continue
			}
			inTable[name[1]] = true
			want := ""
			if len(defaults) > 0 {
				want = defaults[i][1]
			}
			if got := flag.DefValue; got != want && !(want == "" && slices.Contains([]string{"false", "[]", "0", "0s"}, got)) {
				t.Errorf("--%s: the table says that the default is %q, it is %q", name[1], want, got)
			}
		}
	}
	all.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && !inTable[f.Name] {
			t.Errorf("the table lacks --%s", f.Name)
		}
	})

	text := strings.Join(linesOf(t, "../../README.md"), "\n")
	var names []string
	for _, v := range foreignVariables {
		names = append(names, v.name)
		if all.Lookup(v.flag) == nil {
			t.Errorf("%s is for --%s, which is no setting", v.name, v.flag)
		}
	}
	for _, v := range withoutEffect {
		names = append(names, v.name)
	}
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("README.md lacks %s", name)
		}
	}
}

// tableRows are the first two cells of the rows of tables between two headings.
func tableRows(t *testing.T, from, to string) (rows [][2]string) {
	t.Helper()
	inside := false
	for _, line := range linesOf(t, "../../README.md") {
		inside = (inside || strings.HasPrefix(line, from)) && !strings.HasPrefix(line, to)
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "/"), "|")
		if inside && len(cells) >= 4 && strings.Contains(cells[1], "`--") {
			rows = append(rows, [2]string{cells[1], cells[2]})
		}
	}
	return rows
}

// The configuration file of README.md can be used.
func TestDocumentedFile(t *testing.T) {
	text := strings.Join(linesOf(t, "../../README.md"), "\n")
	found := false
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(text, -1) {
		if strings.Contains(block[1], "mcpServers") {
			continue // of a client
		}
		found = true
		c := &config{environment: testApp().environment, configFile: filepath.Join(t.TempDir(), "config.json")}
		if err := os.WriteFile(c.configFile, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		file := c.configFile
		_, all := c.register(&cobra.Command{}, true)
		c.configFile = file // registering has set the default
		if err := c.complete(all); err != nil {
			t.Error(err)
		}
		if _, err := c.options(silent); err != nil {
			t.Error(err)
		}
	}
	if !found {
		t.Error("README.md has no configuration file")
	}
}
