// SPDX-License-Identifier: Apache-2.0

package mcpjson

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func lookup(name string) (string, bool) {
	values := map[string]string{"HOME": "/home/me", "TOKEN": "secret", "EMPTY": ""}
	value, ok := values[name]
	return value, ok
}

func TestParse(t *testing.T) {
	const file = `{
		"globalShortcut": "",
		"mcpServers": {
			"time": {"type": "stdio", "command": "uvx", "args": ["mcp-server-time", "--dir=${HOME}"], "autoApprove": []},
			"remote": {"url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
			"memory": {"command": "npx", "env": {"FILE": "${env:HOME}/m", "MODE": "${MODE:-fast}", "LITERAL": "$${HOME}"}, "cwd": "data",
				"shproxy": {"warm": 1}},
			"off": {"disabled": true, "command": "${UNSET}"}
		}
	}`
	got, err := Parse([]byte(file), lookup)
	if err != nil {
		t.Fatal(err)
	}
	if marked, err := Parse([]byte("\ufeff"+file), lookup); err != nil || !reflect.DeepEqual(marked, got) {
		t.Errorf("behind a byte order mark: %v, %v", marked, err)
	}
	want := []Server{
		{
			Name: "memory", Command: "npx", Dir: "data", Env: map[string]string{"FILE": "/home/me/m", "MODE": "fast", "LITERAL": "${HOME}"},
			Overrides: []Member{{"warm", []byte("1")}},
		},
		{Name: "off", Disabled: true, Command: "${UNSET}"},
		{Name: "remote", URL: "https://mcp.example.com/mcp", Headers: map[string]string{"Authorization": "Bearer secret"}},
		{Name: "time", Command: "uvx", Args: []string{"mcp-server-time", "--dir=/home/me"}, Ignored: []string{"autoApprove"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseErrors(t *testing.T) {
	server := func(s string) string { return `{"mcpServers": {"a": ` + s + `}}` }
	for _, test := range []struct{ file, want string }{
		{``, "line 1: unexpected end of JSON input"},
		{`[]`, "want a JSON object"},
		{"{\n\"mcpServers\": {\n]}", "line 3: invalid character ']'"},
		{`{"mcpServers": {}} x`, "after top-level value"},
		{`{"mcpServers": {"a": {"command": "x"}}, "shproxy": {"warm": 1}}`, "belongs into a server"},
		{`{"servers": {}}`, "no member mcpServers; want"},
		{`{"mcpServers": {}}`, "no servers in mcpServers"},
		{`{"mcpServers": {"a": {}, "a": {}}}`, `mcpServers: member "a" is there twice`},
		{`{"mcpServers": {"a b": {"command": "x"}}}`, `server "a b": the name becomes part of a URL`},
		{`{"mcpServers": {".well-known": {"command": "x"}}}`, `becomes part of a URL`},
		{server(`{}`), `server "a": it has neither a command nor a url`},
		{server(`{"Command": "x"}`), `neither a command`},
		{server(`{"command": "x", "url": "https://x"}`), "a command and a url"},
		{server(`{"command": "x", "args": "y"}`), "args: want an array of strings"},
		{server(`{"command": "x", "args": null}`), "args: want an array of strings"},
		{server(`{"command": "x", "args": ["y", null]}`), "args: want an array of strings, and null is none"},
		{server(`{"command": "x", "env": null}`), "env: want a JSON object"},
		{server(`{"command": "x", "env": {"A": null}}`), "env: A: want a string"},
		{server(`{"command": "x", "cwd": null}`), "cwd: want a string"},
		{server(`{"command": "x", "disabled": null}`), "disabled: want true or false"},
		{server(`null`), `server "a": want a JSON object`},
		{`{"mcpServers": null}`, "mcpServers: want a JSON object"},
		{server(`{"command": ["x"]}`), "command: want a string; arguments go into args"},
		{server(`{"command": null}`), "command: want a string"},
		{server(`{"command": "x", "env": {"A": 1}}`), "env: A: want a string"},
		{server(`{"command": "x", "headers": {}}`), "headers belong to a url"},
		{server(`{"url": "https://x", "args": []}`), "belong to a command"},
		{server(`{"url": "https://x", "type": "sse"}`), "HTTP+SSE"},
		{server(`{"url": "https://x", "type": "websocket"}`), `"websocket" is not stdio or http`},
		{server(`{"url": "https://x", "type": "stdio"}`), `"stdio" needs a command`},
		{server(`{"command": "x", "type": "http"}`), `"http" needs a url`},
		{server(`{"command": "x", "shproxy": 1}`), "shproxy: want a JSON object"},
		{server(`{"command": "${UNSET}"}`), `command: the variable "UNSET" is not set; ${UNSET:-TEXT} has TEXT in its place`},
		{server(`{"command": "x", "args": ["${input:key}"]}`), "args: ${input:key}: only the variables"},
		{server(`{"command": "x", "env": {"A": "${HOME"}}`), "A: ${ without a }"},
	} {
		_, err := Parse([]byte(test.file), lookup)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\n\t%v, want %q", test.file, err, test.want)
		}
	}
}

// What does not look like such a file at all is told from what has a mistake.
func TestFormat(t *testing.T) {
	for file, want := range map[string]bool{
		`servers:`:                       true,
		`[]`:                             true,
		`{"mcpServers": []}`:             true,
		`{"mcpServers": {"a": "npx x"}}`: true,
		`{"mcpServers": {"a": {}}}`:      true,
		`{"mcpServers": {"a b": {}}}`:    false,
		`{"mcpServers": {"a": {"command": "${UNSET}"}}}`:           false,
		`{"mcpServers": {"a": {"command": "x", "shproxy": null}}}`: false,
	} {
		if _, err := Parse([]byte(file), lookup); err == nil || errors.Is(err, ErrFormat) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "absent.json"), lookup); errors.Is(err, ErrFormat) {
		t.Errorf("an absent file: %v", err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "mcp.json")
	err := os.WriteFile(name, []byte(`{"mcpServers": {"a": {"command": "x", "cwd": "sub"}, "b": {"command": "y", "cwd": `+quote(dir)+`}}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	servers, err := Read(name, lookup)
	if err != nil {
		t.Fatal(err)
	}
	if servers[0].Dir != filepath.Join(dir, "sub") || servers[1].Dir != dir {
		t.Errorf("directories %q and %q", servers[0].Dir, servers[1].Dir)
	}
	if _, err := Read(filepath.Join(dir, "absent.json"), lookup); err == nil {
		t.Error("no error for an absent file")
	}
	if err := os.WriteFile(name, make([]byte, maxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(name, lookup); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `\`, `\\`) + `"` }

func TestExpand(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"plain $HOME }", "plain $HOME }"},
		{"${HOME}", "/home/me"},
		{"a${HOME}b${HOME}c", "a/home/meb/home/mec"},
		{"${EMPTY}", ""},
		{"${EMPTY:-x}", "x"},
		{"${UNSET:-}", ""},
		{"${UNSET:-a:-b}", "a:-b"},
		{"$${HOME}", "${HOME}"},
		{"$$${HOME}", "$${HOME}"},
	} {
		got, err := expand(test.in, lookup)
		if err != nil || got != test.want {
			t.Errorf("%q: %q, %v, want %q", test.in, got, err, test.want)
		}
	}
}

// Whatever is read can be served: names fit into paths, and each server has
// either a command or a URL.
func FuzzParse(f *testing.F) {
	f.Add(`{"mcpServers": {"a": {"command": "x", "args": ["${HOME}"]}}}`)
	f.Add(`{"mcpServers": {"a": {"url": "https://x/", "headers": {"A": "$${"}}}}`)
	f.Add(`{"mcpServers": {"a": {"command": "x", "shproxy": {"warm": 1}}, "b": {"disabled": true}}}`)
	f.Fuzz(func(t *testing.T, file string) {
		servers, err := Parse([]byte(file), lookup)
		if err != nil {
			return
		}
		for _, s := range servers {
			if CheckName(s.Name) != nil || !s.Disabled && (s.Command == "") == (s.URL == "") && !strings.Contains(file, "${") {
				t.Errorf("%+v", s)
			}
		}
	})
}
