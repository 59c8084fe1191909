// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// EntryForCommand is the entry of a server on stdio.
func (c *Client) EntryForCommand(command, env []string) (json.RawMessage, error) {
	e := entry{Command: command[0], Args: command[1:]}
	for _, variable := range env {
		name, value, ok := strings.Cut(variable, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not NAME=VALUE", name)
		}
		if e.Env == nil {
			e.Env = map[string]scalar{}
		}
		e.Env[name] = scalar{text: value}
	}
	return c.encode(e), nil
}

// A CopyError is an entry that cannot be said in the form of another client.
type CopyError struct{ text string }

func (e *CopyError) Error() string { return e.text }

// EntryOf is the entry of a server of another file in the form of this client.
// Variables are copied where both clients write them alike. The error is a
// *CopyError, or says that the server cannot be used.
func (c *Client) EntryOf(s *Server) (json.RawMessage, error) {
	not := func(format string, args ...any) (json.RawMessage, error) {
		return nil, &CopyError{s.ID() + " " + fmt.Sprintf(format, args...)}
	}
	e := s.entry
	e.Disabled, e.Enabled = false, nil
	switch variables := strings.Contains(string(plainEncode(e)), "${"); {
	case s.Problem != "":
		return nil, fmt.Errorf("%s in %s: %s", s.ID(), s.File, s.Problem)
	case variables && s.Client.expands != c.expands:
		return not("has variables, which %s and %s write differently: add the command or URL itself", s.Client.Name, c.Name)
	case e.EnvFile != "" && c.expands&editorStyle == 0:
		return not("has an envFile, which %s does not read", c.Name)
	case e.URL != "" && !c.remote && len(e.Headers) > 0:
		return not("has headers, and %s sends none: add the URL with --header", c.Name)
	case e.URL != "" && !c.remote:
		e = entry{Command: "shclient", Args: []string{e.URL}}
	}
	return c.encode(e), nil
}

// Masked is the server with "***" in place of what may be a secret: values of
// the environment and of headers that are no variables, and what MaskCommand
// and MaskURL replace.
func (s *Server) Masked() *Server {
	hide := func(value string) string {
		if strings.Contains(value, "${") {
			return value
		}
		return masked
	}
	shown := *s
	shown.entry.URL = MaskURL(s.entry.URL)
	shown.entry.Args = MaskCommand(append([]string{s.entry.Command}, s.entry.Args...))[1:]
	shown.entry.Env, shown.entry.Headers = map[string]scalar{}, map[string]string{}
	for name, value := range s.entry.Env {
		shown.entry.Env[name] = scalar{text: hide(value.text), null: value.null}
	}
	for name, value := range s.entry.Headers {
		shown.entry.Headers[name] = hide(value)
	}
	return &shown
}

// encode writes an entry in the form of the client.
func (c *Client) encode(e entry) json.RawMessage {
	switch {
	case c.typed && e.URL != "" && e.Type == "":
		e.Type = "http"
	case c.typed && e.URL == "":
		e.Type = "stdio"
	case !c.typed:
		e.Type = ""
	}
	if c.urlName == "serverUrl" {
		e.ServerURL, e.URL = e.URL, ""
	}
	return plainEncode(e)
}

// plainEncode is json.Marshal that leaves characters as they are.
func plainEncode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings, maps and lists of them have JSON
	return slices.Clip(bytes.TrimSpace(b.Bytes()))
}

// Snippet is a whole file of the client with one entry.
func (c *Client) Snippet(name string, entry json.RawMessage) []byte {
	text, _ := Insert(nil, c.member, name, entry, false, false) // into nothing everything fits
	return text
}
