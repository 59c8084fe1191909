// SPDX-License-Identifier: Apache-2.0

package mcpjson

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxFileBytes = 1 << 20
	maxServers   = 100
)

// ErrFormat is matched by errors of files that do not look like configuration
// files of MCP clients at all.
var ErrFormat = errors.New("not the format of a configuration file")

// formatError is an error that matches ErrFormat and says what it says itself.
type formatError struct{ error }

func (formatError) Is(target error) bool { return target == ErrFormat }
func (e formatError) Unwrap() error      { return e.error }

// A Server is one entry of the file: a command or a URL.
type Server struct {
	Name     string
	Disabled bool

	Command string
	Args    []string
	Env     map[string]string
	Dir     string // absolute, or empty

	URL     string
	Headers map[string]string

	// Overrides are the members of the member "shproxy".
	Overrides []Member
	// Ignored are the names of members that mean nothing here.
	Ignored []string
}

// Read reads the file at path. Variables in the values are replaced by what
// lookup knows. Relative directories are relative to that of the file. The
// servers are in the order of their names.
func Read(path string, lookup func(name string) (string, bool)) ([]Server, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	servers, err := Parse(data, lookup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	for i := range servers {
		if dir := servers[i].Dir; dir != "" && !filepath.IsAbs(dir) {
			servers[i].Dir = filepath.Join(folder, dir)
		}
	}
	return servers, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return data, nil
}

// Parse reads the content of a file. Directories stay as they are.
func Parse(data []byte, lookup func(name string) (string, bool)) ([]Server, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors write
	if err := checkSyntax(data); err != nil {
		return nil, formatError{err}
	}
	file, err := Members(data)
	if err != nil {
		return nil, formatError{err}
	}
	if slices.ContainsFunc(file, func(m Member) bool { return m.Name == "shproxy" }) {
		return nil, errors.New("shproxy: this member belongs into a server; flags are for all of them")
	}
	i := slices.IndexFunc(file, func(m Member) bool { return m.Name == "mcpServers" })
	if i < 0 {
		return nil, errors.New(`no member mcpServers; want {"mcpServers": {"NAME": {"command": "…", "args": ["…"]}}}`)
	}
	entries, err := Members(file[i].Value)
	switch {
	case err != nil:
		return nil, formatError{fmt.Errorf("mcpServers: %w", err)}
	case len(entries) == 0:
		return nil, errors.New("no servers in mcpServers")
	case len(entries) > maxServers:
		return nil, fmt.Errorf("%d servers; at most %d are served", len(entries), maxServers)
	}
	servers := make([]Server, len(entries))
	for i, entry := range entries {
		if servers[i], err = parseServer(entry, lookup); err != nil {
			return nil, fmt.Errorf("server %q: %w", entry.Name, err)
		}
	}
	slices.SortFunc(servers, func(a, b Server) int { return cmp.Compare(a.Name, b.Name) })
	return servers, nil
}

const (
	maxName      = 64
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// CheckName tells whether a server can have the name: one segment of a path
// that needs no escaping.
func CheckName(name string) error {
	if name == "" || len(name) > maxName || strings.Trim(name, alphanumeric+"._-") != "" || strings.Contains("._-", name[:1]) {
		return errors.New("the name becomes part of a URL: use up to 64 letters, digits, '.', '_' and '-'")
	}
	return nil
}

// kinds are the values of the member "type". Those of HTTP+SSE, the transport
// of 2024-11-05, are refused.
var kinds = map[string]string{
	"stdio": "command", "local": "command",
	"http": "url", "streamable-http": "url", "streamableHttp": "url", "streamable_http": "url", "remote": "url",
}

func parseServer(entry Member, lookup func(string) (string, bool)) (Server, error) {
	s := Server{Name: entry.Name}
	if err := CheckName(s.Name); err != nil {
		return s, err
	}
	members, err := Members(entry.Value)
	if err != nil {
		return s, formatError{err}
	}
	kind := ""
	for _, m := range members {
		if err := s.take(m, &kind); err != nil {
			return s, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if s.Disabled {
		return s, nil
	}
	if err := s.check(kind); err != nil {
		return s, err
	}
	return s, s.expand(lookup)
}

// take reads one member.
func (s *Server) take(m Member, kind *string) (err error) {
	switch m.Name {
	case "type":
		return decode(m.Value, kind, "a string")
	case "disabled":
		return decode(m.Value, &s.Disabled, "true or false")
	case "command":
		return decode(m.Value, &s.Command, "a string; arguments go into args")
	case "args":
		s.Args, err = Strings(m.Value)
	case "cwd":
		return decode(m.Value, &s.Dir, "a string")
	case "url":
		return decode(m.Value, &s.URL, "a string")
	case "env":
		s.Env, err = object(m.Value)
	case "headers":
		s.Headers, err = object(m.Value)
	case "shproxy":
		s.Overrides, err = Members(m.Value)
	default:
		s.Ignored = append(s.Ignored, m.Name)
	}
	return err
}

// check finds contradictions.
func (s *Server) check(kind string) error {
	means, known := kinds[kind]
	switch {
	case kind == "sse":
		return errors.New("type: servers of the HTTP+SSE transport are not supported, only those of Streamable HTTP")
	case kind != "" && !known:
		return fmt.Errorf("type: %q is not stdio or http", kind)
	case s.Command == "" && s.URL == "":
		return formatError{errors.New("it has neither a command nor a url")}
	case s.Command != "" && s.URL != "":
		return errors.New("it has a command and a url; want one of them")
	case means == "command" && s.Command == "" || means == "url" && s.URL == "":
		return fmt.Errorf("type: %q needs a %s", kind, means)
	case s.URL != "" && (s.Args != nil || s.Env != nil || s.Dir != ""):
		return errors.New("args, env and cwd belong to a command, and it has a url")
	case s.Command != "" && s.Headers != nil:
		return errors.New("headers belong to a url, and it has a command")
	}
	return nil
}

// expand replaces the variables in all values.
func (s *Server) expand(lookup func(string) (string, bool)) (err error) {
	for where, value := range map[string]*string{"command": &s.Command, "cwd": &s.Dir, "url": &s.URL} {
		if *value, err = expand(*value, lookup); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	for i := range s.Args {
		if s.Args[i], err = expand(s.Args[i], lookup); err != nil {
			return fmt.Errorf("args: %w", err)
		}
	}
	for _, values := range []map[string]string{s.Env, s.Headers} {
		for name, value := range values {
			if values[name], err = expand(value, lookup); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}
