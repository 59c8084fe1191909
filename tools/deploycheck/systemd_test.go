// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exposure is the most, of 10, that systemd-analyze security may say of a unit. Its
// newer versions know more settings and give other numbers.
var exposure = map[string]string{
	"oauthdyn.service":    "15", // tenths
	"shproxy@.service":    "17",
	"fetchserver.service": "15",
}

func analyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		missing(t, "systemd-analyze is absent: apt-get install systemd")
	}
	return path
}

// TestUnits has systemd itself read the units.
func TestUnits(t *testing.T) {
	analyze := analyze(t)
	dir := copyOf(t, "systemd")
	names, err := filepath.Glob(filepath.Join(dir, "*.service"))
	if err != nil || len(names) != len(exposure) {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		// A program that is there: this is about the rest.
		text := strings.NewReplacer("/usr/local/bin/oauthdyn", "/bin/true", "/usr/local/bin/shproxy", "/bin/true", "/usr/local/bin/fetchserver", "/bin/true").
			Replace(readFile(t, name))
		writeFile(t, name, text)
		// Unknown settings are warnings, which are told and change nothing.
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", name).CombinedOutput()
		if said := strings.TrimSpace(string(out)); err != nil || strings.Contains(said, filepath.Base(strings.TrimSuffix(name, ".service"))) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", filepath.Base(name), err, said)
		}
		out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold="+exposure[filepath.Base(name)], name).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(lines[len(lines)-1])
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", filepath.Base(name), err, out)
		}
	}
}

// A unit is what a file of systemd says, by section and name; a name may have
// several values.
type unit map[string]map[string][]string

// readUnit reads a file as systemd.syntax(7) has it, for what stands in ours.
func readUnit(t *testing.T, file string) unit {
	t.Helper()
	u, section := unit{}, ""
	text := strings.ReplaceAll(readFile(t, file), "\\\n", " ")
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			u[section] = map[string][]string{}
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok || section == "" {
				t.Fatalf("%s: %q", file, line)
			}
			u[section][name] = append(u[section][name], value)
		}
	}
	return u
}

// one returns the only value of a setting of the section Service.
func (u unit) one(t *testing.T, name string) string {
	t.Helper()
	values := u["Service"][name]
	if len(values) != 1 {
		t.Fatalf("%s has the values %q", name, values)
	}
	return values[0]
}
