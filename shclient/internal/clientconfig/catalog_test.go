// SPDX-License-Identifier: Apache-2.0

package clientconfig_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

// place unpacks files below a new directory, $DIR in them and in variables, and
// returns the system that has them.
func place(t *testing.T, goos string, files string, env map[string]string) (s *clientconfig.System, dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range txtar.Parse([]byte(files)).Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(f.Data), "$DIR", filepath.ToSlash(dir))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	home := "HOME"
	if goos == "windows" {
		home = "USERPROFILE"
	}
	return &clientconfig.System{OS: goos, Dir: filepath.Join(dir, "home"), LookupEnv: func(name string) (string, bool) {
		if name == home {
			return filepath.Join(dir, "home"), true
		}
		value, ok := env[name]
		return strings.ReplaceAll(value, "$DIR", dir), ok
	}}, dir
}

func ids(c *clientconfig.Catalog) []string {
	var list []string
	for _, s := range c.Servers {
		list = append(list, s.ID()+" "+string(s.Scope))
	}
	return list
}

func TestUserFiles(t *testing.T) {
	const entry = `{"mcpServers":{"x":{"command":"x"}}}` + "\n"
	const servers = `{"servers":{"x":{"command":"x"}}}` + "\n"
	everywhere := "-- home/.claude.json --\n" + entry + "-- home/.cursor/mcp.json --\n" + entry + "-- home/.codeium/windsurf/mcp_config.json --\n" + entry
	all := []string{"claude:x user", "claude-code:x user", "cursor:x user", "vscode:x user", "windsurf:x user"}
	for _, tt := range []struct {
		name, goos, files string
		env               map[string]string
	}{
		{"linux", "linux", everywhere + "-- home/.config/Claude/claude_desktop_config.json --\n" + entry + "-- home/.config/Code/User/mcp.json --\n" + servers, nil},
		{"linux XDG", "linux", everywhere + "-- xdg/Claude/claude_desktop_config.json --\n" + entry + "-- xdg/Code/User/mcp.json --\n" + servers, map[string]string{"XDG_CONFIG_HOME": "$DIR/xdg"}},
		{"darwin", "darwin", everywhere + "-- home/Library/Application Support/Claude/claude_desktop_config.json --\n" + entry + "-- home/Library/Application Support/Code/User/mcp.json --\n" + servers, nil},
		{"windows", "windows", everywhere + "-- roaming/Claude/claude_desktop_config.json --\n" + entry + "-- roaming/Code/User/mcp.json --\n" + servers, map[string]string{"APPDATA": "$DIR/roaming"}},
		{"windows without APPDATA", "windows", everywhere + "-- home/AppData/Roaming/Claude/claude_desktop_config.json --\n" + entry + "-- home/AppData/Roaming/Code/User/mcp.json --\n" + servers, nil},
		{"CLAUDE_CONFIG_DIR", "linux", strings.Replace(everywhere, "home/.claude.json", "elsewhere/.claude.json", 1) + "-- home/.config/Claude/claude_desktop_config.json --\n" + entry + "-- home/.config/Code/User/mcp.json --\n" + servers, map[string]string{"CLAUDE_CONFIG_DIR": "$DIR/elsewhere"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := place(t, tt.goos, tt.files, tt.env)
			c := clientconfig.Load(s)
			if diff := cmp.Diff(all, ids(c)); diff != "" || len(c.Problems) > 0 {
				t.Errorf("%v\n%s", c.Problems, diff)
			}
		})
	}
}

func TestNoHome(t *testing.T) {
	s := &clientconfig.System{OS: "linux", LookupEnv: func(string) (string, bool) { return "", false }}
	if c := clientconfig.Load(s); len(c.Servers)+len(c.Problems) > 0 {
		t.Error(ids(c), c.Problems)
	}
	if file := clientconfig.ByID("claude").UserFile(s); file != "" {
		t.Errorf("file %q without a home", file)
	}
}

const projectFiles = `
-- home/.claude.json --
{"mcpServers": {"a": {"command": "user"}},
 "projects": {
  "$DIR/home/repo": {"mcpServers": {"a": {"command": "local"}}, "disabledMcpServers": ["c", "a"]},
  "$DIR/home/other": {"mcpServers": {"no": {"command": "no"}}}
 }}
-- home/repo/.git/HEAD --
-- home/repo/.mcp.json --
{"mcpServers": {"a": {"command": "project"}, "b": {"command": "root"}}}
-- home/repo/sub/.mcp.json --
{"mcpServers": {"b": {"command": "sub"}}}
-- home/repo/.vscode/mcp.json --
{"servers": {"v": {"command": "v"}}}
-- home/repo/.cursor/mcp.json --
{"mcpServers": {"u": {"command": "u"}}}
-- home/.mcp.json --
{"mcpServers": {"above": {"command": "home"}}}
-- home/plain/deep/x --
-- .mcp.json --
{"mcpServers": {"stranger": {"command": "root"}}}
-- outside/x --
-- outside/.mcp.json --
{"mcpServers": {"o": {"command": "o"}}}
-- outside/deep/x --
`

func TestProjects(t *testing.T) {
	for _, tt := range []struct {
		dir  string
		want []string
	}{
		{"home/repo/sub", []string{"claude-code:a local", "claude-code:b project", "claude-code:a project", "claude-code:b project", "claude-code:a user", "cursor:u project", "vscode:v project"}},
		{"home/repo", []string{"claude-code:a local", "claude-code:a project", "claude-code:b project", "claude-code:a user", "cursor:u project", "vscode:v project"}},
		{"home/plain/deep", []string{"claude-code:above project", "claude-code:a user"}}, // to the home directory, no further
		{"outside", []string{"claude-code:o project", "claude-code:a user"}},
		{"outside/deep", []string{"claude-code:a user"}}, // the parent may be anybody's
	} {
		t.Run(tt.dir, func(t *testing.T) {
			s, dir := place(t, "linux", projectFiles, nil)
			s.Dir = filepath.Join(dir, tt.dir)
			c := clientconfig.Load(s)
			if diff := cmp.Diff(tt.want, ids(c)); diff != "" || len(c.Problems) > 0 {
				t.Errorf("%v\n%s", c.Problems, diff)
			}
		})
	}
}

func TestNearestCounts(t *testing.T) {
	s, dir := place(t, "linux", projectFiles, nil)
	s.Dir = filepath.Join(dir, "home/repo/sub")
	c := clientconfig.Load(s)
	for name, want := range map[string]string{"a": "local", "b": "sub"} {
		found, err := c.Find(name)
		if err != nil || found.Summary() != want {
			t.Errorf("%s is %v, %v; want %s", name, found, err, want)
		}
	}
	if a, err := c.Find("claude-code:a"); err != nil || !a.Disabled {
		t.Errorf("%+v, %v: want it disabled", a, err)
	}
	s.Dir = filepath.Join(dir, "home/repo")
	b, err := clientconfig.Load(s).Find("b")
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Resolve(s)
	if err != nil || r.Dir != s.Dir {
		t.Errorf("runs in %q, %v; want the project's directory", r.Dir, err)
	}
}

const nameFiles = `
-- home/.cursor/mcp.json --
{"mcpServers": {
  "github": {"url": "https://one.example/mcp?key=secret"},
  "same": {"command": "npx", "args": ["same"]},
  "a:b": {"command": "colon"}, "broken": {"command": 5}, "both": {"command": "x", "url": "https://x.example"},
  "filesystem": {"command": "fs"}, "socket": {"type": "ws", "url": "wss://x.example"}, // trailing comma
}}
-- home/.codeium/windsurf/mcp_config.json --
{"mcpServers": {
  "github": {"serverUrl": "https://two.example/mcp", "disabled": true},
  "same": {"command": "npx", "args": ["same"]}
}}
-- home/.claude.json --
{"mcpServers": {"x": }}
-- home/.config/Claude/claude_desktop_config.json --
{"mcpServers": {"x": {"command": "x"}, /* no */ }}
-- home/.config/Code/User/mcp.json --
{"servers": ["x"]}
`

func TestFind(t *testing.T) {
	s, _ := place(t, "linux", nameFiles, nil)
	c := clientconfig.Load(s)
	for name, want := range map[string]string{
		"cursor:github": "cursor:github", "windsurf:github": "windsurf:github", "same": "cursor:same", "a:b": "cursor:a:b", "cursor:a:b": "cursor:a:b", "filesystem": "cursor:filesystem",
	} {
		if found, err := c.Find(name); err != nil || found.ID() != want {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	for name, want := range map[string]string{
		"github":        `"github" names several servers: cursor:github (https://one.example/mcp), windsurf:github (https://two.example/mcp)`,
		"nothing":       `no server is named "nothing"`,
		"vscode:github": `"servers" is no object of servers`,
		"claude:x":      `this client reads neither comments nor trailing commas`,
		"claude-code:x": `line 1: invalid character '}'`,
		"broken":        `"command" is number, and cannot be`,
		"both":          "both a command and a url",
		"socket":        "WebSocket",
	} {
		_, err := c.Find(name)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %s", name, err, want)
		}
	}
	for name, want := range map[string][]string{
		"gihub": {"cursor:github", "windsurf:github"}, "filesystm": {"cursor:filesystem"}, "file": {"cursor:filesystem"}, "cursor:githb": {"cursor:github"}, "zzz": nil,
	} {
		_, err := c.Find(name)
		unknown, ok := errors.AsType[*clientconfig.NameError](err)
		if !ok || !slices.Equal(unknown.Similar, want) {
			t.Errorf("%s: %+v; want similar names %v", name, err, want)
		}
	}
	want := []string{"a:b", "cursor:a:b", "cursor:filesystem", "cursor:github", "cursor:same", "filesystem", "same", "windsurf:github", "windsurf:same"}
	if diff := cmp.Diff(want, c.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestLoadFile(t *testing.T) {
	for _, text := range []string{`{"mcpServers": {"x": {"command": "x"}}}`, `{"servers": {"x": {"command": "x"}}, /* yes */ }`} {
		name := filepath.Join(t.TempDir(), "any")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := clientconfig.LoadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := c.Find("x"); err != nil || s.ID() != "x" {
			t.Errorf("%v, %v", s, err)
		}
	}
	if _, err := clientconfig.LoadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := clientconfig.LoadFile(t.TempDir()); err == nil {
		t.Error("a directory was read")
	}
}
