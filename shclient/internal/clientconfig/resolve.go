// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Resolved server is one whose variables are replaced. It holds secrets.
type Resolved struct {
	URL    string
	Header http.Header

	Command []string
	Env     []string // NAME=value, beside the environment of the process
	Dir     string   // of the command; "" for the current one
}

// Resolve replaces the variables of a server. The error names the member, and
// no value.
func (s *Server) Resolve(system *System) (*Resolved, error) {
	if s.Problem != "" {
		return nil, fmt.Errorf("%s in %s: %s", s.ID(), s.File, s.Problem)
	}
	x := &expander{system, s}
	r := &Resolved{}
	var failed error
	expand := func(member, text string) string {
		value, err := x.expand(text)
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s in %s: %s: %w", s.ID(), s.File, member, err)
		}
		return value
	}
	if s.entry.URL != "" {
		r.URL = expand("url", s.entry.URL)
		r.Header = http.Header{}
		for name, value := range s.entry.Headers {
			r.Header.Set(name, expand("headers: "+name, value))
		}
		if u, err := url.Parse(r.URL); failed == nil && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return nil, fmt.Errorf("%s in %s: the url is none of an MCP server (http://… or https://…)", s.ID(), s.File)
		}
		return r, failed
	}
	r.Command = []string{expand("command", s.entry.Command)}
	for _, arg := range s.entry.Args {
		r.Command = append(r.Command, expand("args", arg))
	}
	env := map[string]string{}
	if name := s.entry.EnvFile; name != "" {
		if err := readEnvFile(s.absolute(system, expand("envFile", name)), env); err != nil && failed == nil {
			failed = fmt.Errorf("%s in %s: envFile: %w", s.ID(), s.File, err)
		}
	}
	for name, value := range s.entry.Env {
		if value.null {
			delete(env, name)
			continue
		}
		env[name] = expand("env: "+name, value.text)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		r.Env = append(r.Env, name+"="+env[name])
	}
	if s.entry.Cwd != "" {
		r.Dir = s.absolute(system, expand("cwd", s.entry.Cwd))
	} else if s.Project != "" {
		r.Dir = s.Project
	}
	if failed != nil {
		return nil, failed
	}
	return r, nil
}

// absolute is where a client would find a relative path: below its project, or
// for a user's file below the home directory.
func (s *Server) absolute(system *System, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(system.Home(), rest)
	}
	if filepath.IsAbs(path) {
		return path
	}
	dir := s.Project
	if dir == "" && s.Scope != ScopeFile {
		dir = system.Home()
	}
	return filepath.Join(dir, path)
}

// maxEnvFile bounds a file of variables, in bytes.
const maxEnvFile = 1 << 20

// readEnvFile reads lines NAME=value into env. Values may stand in quotes.
func readEnvFile(name string, env map[string]string) error {
	info, err := os.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxEnvFile) {
		err = fmt.Errorf("%s is no file of at most %d bytes", name, maxEnvFile)
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || !variable.MatchString(key) {
			continue // a comment, an empty line
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		env[key] = value
	}
	return nil
}
