// SPDX-License-Identifier: Apache-2.0

package clientconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

const variableFiles = `
-- home/.claude.json --
{"mcpServers": {
  "stdio": {"command": "${TOOL:-npx}", "args": ["-k", "${KEY}", "${OWN}", "$KEY", "${", "${not a name}"], "env": {"OWN": "${KEY}!", "N": 5, "B": true, "NO": null}},
  "url": {"type": "http", "url": "${BASE:-https://d.example}/mcp?k=${KEY}", "headers": {"Authorization": "Bearer ${KEY}"}},
  "unset": {"command": "x", "args": ["${NOWHERE}"]},
  "nourl": {"url": "${KEY}"}
}}
-- home/.cursor/mcp.json --
{"mcpServers": {
  "stdio": {"command": "mcp-remote", "args": ["Authorization:${KEY}", "${env:KEY}", "${userHome}/x", "${workspaceFolder}", "${workspaceFolderBasename}${/}"], "envFile": "env", "cwd": "work"},
  "unset": {"url": "https://x.example", "headers": {"X": "${env:NOWHERE}"}},
  "command": {"command": "${command:pick}"},
  "nofile": {"command": "x", "envFile": "none"}
}}
-- home/env --
# comment
export A="1 2"
B='x'
C=y=z
not a line
-- home/.config/Claude/claude_desktop_config.json --
{"mcpServers": {"literal": {"command": "npx", "args": ["${KEY}", "${env:KEY}"]}}}
-- home/.config/Code/User/mcp.json --
{
  "inputs": [{"id": "api-key", "type": "promptString", "description": "The key", "password": true}, {"id": "kind", "default": "best"}, 5],
  "servers": {"asks": {"url": "https://x.example/mcp", "headers": {"X-Key": "${input:api-key}", "X-Kind": "${input:kind}"}}},
}
`

func TestResolve(t *testing.T) {
	env := map[string]string{"KEY": "sesame"}
	s, dir := place(t, "linux", variableFiles, env)
	for name, want := range map[string]clientconfig.Resolved{
		"claude-code:stdio": {Command: []string{"npx", "-k", "sesame", "${OWN}", "$KEY", "${", "${not a name}"}, Env: []string{"B=true", "N=5", "OWN=sesame!"}},
		"url":               {URL: "https://d.example/mcp?k=sesame", Header: map[string][]string{"Authorization": {"Bearer sesame"}}},
		"cursor:stdio": {
			Command: []string{"mcp-remote", "Authorization:${KEY}", "sesame", dir + "/home/x", dir + "/home", "home/"},
			Env:     []string{"A=1 2", "B=x", "C=y=z"}, Dir: dir + "/home/work",
		},
		"literal": {Command: []string{"npx", "${KEY}", "${env:KEY}"}},
	} {
		server, err := clientconfig.Load(s).Find(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := server.Resolve(s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, want := range map[string]string{
		"claude-code:unset": "args: the environment has no variable NOWHERE",
		"cursor:unset":      "headers: X: the environment has no variable NOWHERE",
		"nourl":             "the url is none of an MCP server",
		"command":           "${command:…} means something to Cursor alone",
		"nofile":            "envFile: ",
		"asks":              "VS Code asks its user for ${input:api-key} (The key); set INPUT_API_KEY to the value",
	} {
		server, err := clientconfig.Load(s).Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = server.Resolve(s); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v; want %s", name, err, want)
		}
	}
	env["INPUT_API_KEY"] = "k"
	server, _ := clientconfig.Load(s).Find("asks")
	if r, err := server.Resolve(s); err != nil || r.Header.Get("X-Key") != "k" || r.Header.Get("X-Kind") != "best" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"x --token abc y":                           "x --token *** y",
		"x --api-key=abc y":                         "x --api-key=*** y",
		"x -H|X-Key: abc y":                         "x -H X-Key: *** y",
		"x --header|Authorization:${K}":             "x --header Authorization: ***",
		"x --token-file abc --port 5":               "x --token-file abc --port 5",
		"x postgres://me:pw@host/db?x=1":            "x postgres://***@host/db",
		"x API_TOKEN=abc --url=https://h/p?k=v":     "x API_TOKEN=*** --url=https://h/p",
		"x ghp_abcdef sk-12345 eyJhbGciOiJ":         "x *** *** ***",
		"npx -y @scope/pkg@1.2 --dir /tmp --secret": "npx -y @scope/pkg@1.2 --dir /tmp --secret",
	} {
		words := strings.Fields(in)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "|", " ")
		}
		command := words
		if head, tail, ok := strings.Cut(in, "|"); ok { // an argument with a blank
			command = append(strings.Fields(head), tail)
			if rest, ok := strings.CutSuffix(tail, " y"); ok {
				command = append(strings.Fields(head), rest, "y")
			}
		}
		if got := strings.Join(clientconfig.MaskCommand(command), " "); got != want {
			t.Errorf("%q: %s; want %s", command, got, want)
		}
	}
	for in, want := range map[string]string{
		"https://u:p@h.example/x?k=v#f": "https://***@h.example/x", "https://h.example": "https://h.example", "${BASE}/mcp?x": "${BASE}/mcp", "": "",
	} {
		if got := clientconfig.MaskURL(in); got != want {
			t.Errorf("%s: %s; want %s", in, got, want)
		}
	}
}

func TestBridge(t *testing.T) {
	s, _ := place(t, "linux", `
-- home/.cursor/mcp.json --
{"mcpServers": {
  "1": {"command": "npx", "args": ["-y", "mcp-remote@latest", "https://h.example/mcp?k=v", "--header", "X: y"]},
  "2": {"command": "C:\\bin\\shclient.exe", "args": ["https://h.example/mcp"]},
  "3": {"command": "cmd", "args": ["/c", "npx", "mcp-remote", "https://h.example/mcp"]},
  "4": {"command": "npx", "args": ["-y", "server", "https://h.example/mcp"]},
  "5": {"command": "mcp-remote", "args": []},
  "6": {"url": "https://h.example/mcp"}
}}
`, nil)
	c := clientconfig.Load(s)
	for name, want := range map[string]string{"1": "https://h.example/mcp", "2": "https://h.example/mcp", "3": "https://h.example/mcp", "4": "", "5": "", "6": ""} {
		server, err := c.Find(name)
		if err != nil || server.Bridge() != want {
			t.Errorf("%s: %q, %v; want %q", name, server.Bridge(), err, want)
		}
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add(`{"mcpServers": {"a": {"command": "${X:-y}", "args": ["--token", "${", "${env:X}"], "env": {"A": null, "B": 1}}}}`)
	f.Add(`{"servers": {"a": {"url": "https://u:p@h/${input:x}?k", "headers": {"X": "${userHome}"}}}, "inputs": [{"id": "x", "default": "d"}],}`)
	f.Add(`{"mcpServers": {"": {"command": "npx", "args": ["mcp-remote@1", "http://"], "cwd": "~/x", "envFile": ""}}, "projects": {"/": 5}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := clientconfig.LoadFile(name)
		if err != nil {
			return
		}
		s := &clientconfig.System{OS: "linux", LookupEnv: func(string) (string, bool) { return "", false }}
		for _, name := range c.Names() {
			server, err := c.Find(name)
			if err != nil {
				t.Errorf("%q is a name that finds nothing: %v", name, err)
				continue
			}
			_, _, _ = server.Summary(), server.Bridge(), server.Masked()
			if r, err := server.Resolve(s); err == nil && r.URL == "" && len(r.Command) == 0 {
				t.Errorf("%q is nothing", name)
			}
		}
	})
}
