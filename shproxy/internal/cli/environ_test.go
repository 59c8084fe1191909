// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// fakeEnvironment has the entries KEY=VALUE.
func fakeEnvironment(entries ...string) environment {
	return environment{
		all: func() []string { return entries },
		lookup: func(name string) (string, bool) {
			for _, entry := range entries {
				if value, ok := strings.CutPrefix(entry, name+"="); ok {
					return value, true
				}
			}
			return "", false
		},
	}
}

func TestPassedVariables(t *testing.T) {
	env := fakeEnvironment("PATH=/bin", "LC_ALL=C", "HTTPS_PROXY=http://p", "https_proxy=http://q", "npm_config_registry=r", "UV_INDEX=u",
		"AWS_SECRET=s", "AWS_REGION=r", "GITHUB_TOKEN=t", "LD_PRELOAD=x", "=C:=C:\\", "PATHS=x")
	usual := []string{"HTTPS_PROXY=http://p", "LC_ALL=C", "PATH=/bin", "UV_INDEX=u", "https_proxy=http://q", "npm_config_registry=r"}
	if got := list(env.passed(nil)); !slices.Equal(got, usual) && runtime.GOOS != "windows" {
		t.Errorf("passed %q", got)
	}
	more := append([]string{"AWS_REGION=r", "AWS_SECRET=s"}, usual...)
	if got := list(env.passed([]string{"AWS_*", "ABSENT"})); !slices.Equal(got, more) && runtime.GOOS != "windows" {
		t.Errorf("passed %q", got)
	}
	if got := env.passed([]string{"*"}); len(got) != 11 {
		t.Errorf("all are %q", got)
	}
}

func TestSetVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := fakeEnvironment("TOKEN=of the proxy", "EMPTY=")
	got := map[string]string{"PATH": "/bin", "A": "old"}
	err := env.set(got, []string{"A=1", "B=x=y", "C=env:TOKEN", "D=file:" + file, "E=text:env:TOKEN", "F=", "G=https://x", "H=env:EMPTY"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"A=1", "B=x=y", "C=of the proxy", "D=from a file", "E=env:TOKEN", "F=", "G=https://x", "H=", "PATH=/bin"}
	if !slices.Equal(list(got), want) {
		t.Errorf("got %q", list(got))
	}

	zero := filepath.Join(t.TempDir(), "zero")
	if err := os.WriteFile(zero, make([]byte, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, []byte(strings.Repeat("x", maxValueBytes+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for assignment, want := range map[string]string{
		"KEY":             "-e KEY: want KEY=VALUE",
		"1A=x":            `"1A" is not the name`,
		"=x":              `"" is not the name`,
		"A=env:ABSENT":    `-e A: the variable "ABSENT" is not set`,
		"A=file:" + zero:  "holds a zero byte",
		"A=x\x00y":        "zero byte",
		"A=file:" + large: "larger than",
		"A=file:./absent": "no such file",
	} {
		err := env.set(map[string]string{}, []string{assignment})
		if err == nil || !strings.Contains(err.Error(), want) && runtime.GOOS != "windows" {
			t.Errorf("%q: %v, want %q", assignment, err, want)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for pattern, ok := range map[string]bool{"A": true, "A_*": true, "*": true, "": false, "A*B": false, "A B": false, "*A": false} {
		if err := checkPattern(pattern); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
