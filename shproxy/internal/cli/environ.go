// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
)

// passedVariables are the variables of the proxy's own environment that the
// commands get: what programs need to run at all, and to reach the network.
// A star stands for anything.
var passedVariables = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "XDG_*",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
	"npm_config_*", "NPM_CONFIG_*", "UV_*", "PIP_*",
}

// passedOnWindows are passed there as well. Names have no case there.
var passedOnWindows = []string{
	"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS",
	"APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432", "COMMONPROGRAMFILES",
	"USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "TEMP", "TMP",
}

// maxValueBytes bounds a value that is read from a file.
const maxValueBytes = 64 << 10

// environment finds the values of variables. It is that of the process, but
// for tests.
type environment struct {
	all    func() []string
	lookup func(name string) (string, bool)
}

var processEnvironment = environment{os.Environ, os.LookupEnv}

// passed returns the variables that a command gets without being told: those
// of the list and those whose names match the patterns.
func (e environment) passed(patterns []string) map[string]string {
	patterns = slices.Concat(passedVariables, patterns)
	if runtime.GOOS == "windows" {
		patterns = slices.Concat(patterns, passedOnWindows)
	}
	found := make(map[string]string)
	for _, entry := range e.all() {
		name, value, ok := strings.Cut(entry, "=")
		if ok && name != "" && slices.ContainsFunc(patterns, func(p string) bool { return nameMatches(p, name) }) {
			found[name] = value
		}
	}
	return found
}

func nameMatches(pattern, name string) bool {
	if runtime.GOOS == "windows" {
		pattern, name = strings.ToUpper(pattern), strings.ToUpper(name)
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// checkPattern accepts the name of a variable, or the beginning of one and a
// star.
func checkPattern(pattern string) error {
	if rest, ok := strings.CutSuffix(pattern, "*"); ok && (rest == "" || checkVariable(rest) == nil) {
		return nil
	}
	return checkVariable(pattern)
}

// set reads the values of -e KEY=VALUE, where VALUE can be env:NAME, file:PATH
// or text:VALUE.
func (e environment) set(env map[string]string, assignments []string) error {
	for _, assignment := range assignments {
		name, value, ok := strings.Cut(assignment, "=")
		if !ok {
			return &usageError{
				text: fmt.Sprintf("-e %s: want KEY=VALUE", name),
				hint: "--pass-env " + name + " gives the command the value that the variable has now",
			}
		}
		if err := checkVariable(name); err != nil {
			return &usageError{text: "-e: " + err.Error()}
		}
		const hint = "text:VALUE takes VALUE as it is"
		value, err := e.value(value)
		if _, file := errors.AsType[*fs.PathError](err); file { // no mistake in the flag
			return &hintedError{fmt.Errorf("-e %s: %w", name, err), hint}
		}
		if err != nil {
			return &usageError{text: fmt.Sprintf("-e %s: %v", name, err), hint: hint}
		}
		env[name] = value
	}
	return nil
}

// value reads a value that is kept elsewhere, so that it need not be on the
// command line, where everybody can see it.
func (e environment) value(s string) (string, error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "env":
		value, ok := e.lookup(rest)
		if !ok {
			return "", fmt.Errorf("the variable %q is not set", rest)
		}
		return value, nil
	case "file":
		return readValue(rest)
	case "text":
		return rest, nil
	}
	if strings.ContainsRune(s, 0) {
		return "", errors.New("the value holds a zero byte")
	}
	return s, nil
}

// readValue reads a value from a file, without the line break at its end.
func readValue(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxValueBytes+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxValueBytes:
		return "", fmt.Errorf("%s is larger than %d bytes", name, maxValueBytes)
	case bytes.IndexByte(data, 0) >= 0:
		return "", fmt.Errorf("%s holds a zero byte", name)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// list returns an environment as processes get it, sorted.
func list(env map[string]string) []string {
	entries := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		entries = append(entries, name+"="+env[name])
	}
	return entries
}

func checkVariable(name string) error {
	if !isVariable(name) {
		return fmt.Errorf("%q is not the name of an environment variable", name)
	}
	return nil
}

func isVariable(name string) bool {
	return consistsOf(name, letters+digits+"_") && !strings.Contains(digits, name[:1])
}
