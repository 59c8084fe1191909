// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// entry is a server as a file has it, before variables are replaced.
type entry struct {
	Type      string            `json:"type,omitempty"`
	Command   string            `json:"command,omitempty"`
	Args      []string          `json:"args,omitempty"`
	Env       map[string]scalar `json:"env,omitempty"`
	EnvFile   string            `json:"envFile,omitempty"`
	Cwd       string            `json:"cwd,omitempty"`
	URL       string            `json:"url,omitempty"`
	ServerURL string            `json:"serverUrl,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`

	Disabled bool  `json:"disabled,omitempty"`
	Enabled  *bool `json:"enabled,omitempty"`
}

// scalar is a string that may be written as a number or a boolean, or null for
// none.
type scalar struct {
	text string
	null bool
}

// UnmarshalJSON takes what is no array and no object.
func (s *scalar) UnmarshalJSON(text []byte) error {
	switch {
	case string(text) == "null":
		s.null = true
		return nil
	case text[0] == '"':
		return json.Unmarshal(text, &s.text)
	case text[0] == '{' || text[0] == '[':
		return errors.New("a variable must be a string")
	}
	s.text = string(text)
	return nil
}

// MarshalJSON writes the string.
func (s scalar) MarshalJSON() ([]byte, error) {
	if s.null {
		return []byte("null"), nil
	}
	return json.Marshal(s.text)
}

// parse reads an entry. The error names the member that is wrong, and not its
// value, which may be a secret.
func (r rawEntry) parse() (entry, error) {
	var e entry
	err := json.Unmarshal(r, &e)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return e, errors.New("the entry is no object")
		}
		return e, fmt.Errorf("%q is %s, and cannot be", wrong.Field, wrong.Value)
	}
	if err != nil {
		return e, errors.New("\"env\" must hold strings")
	}
	if e.URL == "" {
		e.URL = e.ServerURL
	}
	e.ServerURL = ""
	return e, nil
}

// problem says why an entry cannot be used, or "".
func (e *entry) problem() string {
	switch {
	case e.Command == "" && e.URL == "":
		return "the entry has neither a command nor a url"
	case e.Command != "" && e.URL != "":
		return "the entry has both a command and a url"
	case e.Type == "ws" || e.Type == "websocket":
		return "WebSocket is not a transport that shclient speaks"
	}
	return ""
}

func (e *entry) disabled() bool { return e.Disabled || e.Enabled != nil && !*e.Enabled }

func (e *entry) equal(o entry) bool {
	return e.Command == o.Command && slices.Equal(e.Args, o.Args) && maps.Equal(e.Env, o.Env) && e.EnvFile == o.EnvFile &&
		e.Cwd == o.Cwd && e.URL == o.URL && maps.Equal(e.Headers, o.Headers)
}

// Summary is what the server is: its URL or its command, without secrets.
func (s *Server) Summary() string {
	switch {
	case s.Problem != "":
		return "unusable"
	case s.entry.URL != "":
		return MaskURL(s.entry.URL)
	}
	return strings.Join(MaskCommand(append([]string{s.entry.Command}, s.entry.Args...)), " ")
}

// URL is the server's, without secrets; "" for a command.
func (s *Server) URL() string { return MaskURL(s.entry.URL) }

// Command is the server's, with its arguments, without secrets; nil for a URL.
func (s *Server) Command() []string {
	if s.entry.Command == "" {
		return nil
	}
	return MaskCommand(append([]string{s.entry.Command}, s.entry.Args...))
}

// Variables are the names of what the environment of the command has beside
// that of its client.
func (s *Server) Variables() []string { return slices.Sorted(maps.Keys(s.entry.Env)) }

// Headers are the names of the headers that requests have.
func (s *Server) Headers() []string { return slices.Sorted(maps.Keys(s.entry.Headers)) }

// Bridge is the URL that a command forwards to, without secrets, when the
// command is a bridge that is known; else "".
func (s *Server) Bridge() string {
	if s.entry.Command == "" {
		return ""
	}
	return MaskURL(bridgeURL(append([]string{s.entry.Command}, s.entry.Args...)))
}
