// SPDX-License-Identifier: Apache-2.0

// Package clientconfig reads and writes the files in which MCP clients keep
// their servers: Claude Desktop, Claude Code, Cursor, VS Code and Windsurf.
//
// A project's files come with the project: who names a server in one runs what
// its author wrote there. They are taken from the current directory and its
// parents only, up to the root of the repository or the home directory, and
// only if they belong to this user.
package clientconfig

import (
	"path/filepath"
	"slices"
)

// A Client is a program that keeps MCP servers in files.
type Client struct {
	ID   string // before the colon of a name, such as "claude-code"
	Name string // for people

	member   string  // that holds the servers: "mcpServers" or "servers"
	comments bool    // the client reads comments and trailing commas
	expands  dialect // what it replaces in values
	remote   bool    // it speaks HTTP itself
	urlName  string  // member of the URL
	typed    bool    // entries say "type"

	user    func(*System) string // the user's file; "" for none
	project string               // a project's file, below its directory; "" for none
}

// Clients are those that are known, in the order in which they are shown.
var Clients = []*Client{
	{
		ID: "claude", Name: "Claude Desktop", member: "mcpServers",
		user: func(s *System) string { return s.inConfig("Claude", "claude_desktop_config.json") },
	}, {
		ID: "claude-code", Name: "Claude Code", member: "mcpServers", expands: shellStyle, remote: true, urlName: "url", typed: true,
		user:    func(s *System) string { return s.claudeCode() },
		project: ".mcp.json",
	}, {
		ID: "cursor", Name: "Cursor", member: "mcpServers", comments: true, expands: editorStyle, remote: true, urlName: "url",
		user:    func(s *System) string { return s.inHome(".cursor", "mcp.json") },
		project: filepath.Join(".cursor", "mcp.json"),
	}, {
		ID: "vscode", Name: "VS Code", member: "servers", comments: true, expands: editorStyle, remote: true, urlName: "url", typed: true,
		user:    func(s *System) string { return s.inConfig("Code", "User", "mcp.json") },
		project: filepath.Join(".vscode", "mcp.json"),
	}, {
		ID: "windsurf", Name: "Windsurf", member: "mcpServers", expands: editorStyle, remote: true, urlName: "serverUrl",
		user: func(s *System) string { return s.inHome(".codeium", "windsurf", "mcp_config.json") },
	},
}

// fileClient is how a file is read that the user names, and which belongs to no
// client in particular.
var fileClient = &Client{Name: "the file", comments: true, expands: shellStyle | editorStyle, remote: true, urlName: "url"}

// ByID returns the client of an ID, or nil.
func ByID(id string) *Client {
	i := slices.IndexFunc(Clients, func(c *Client) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return Clients[i]
}

// UserFile is the client's file of the user, which need not exist, or "" when
// the environment does not say where it would be.
func (c *Client) UserFile(s *System) string { return c.user(s) }

// A System is what decides where files are and what variables hold.
type System struct {
	OS        string                           // as runtime.GOOS
	LookupEnv func(name string) (string, bool) // required
	Dir       string                           // the current directory, absolute; "" for no projects
}

func (s *System) env(name string) string {
	value, _ := s.LookupEnv(name)
	return value
}

// Home is the home directory, or "".
func (s *System) Home() string {
	name := "HOME"
	if s.OS == "windows" {
		name = "USERPROFILE"
	}
	if home := s.env(name); filepath.IsAbs(home) {
		return filepath.Clean(home)
	}
	return ""
}

func (s *System) inHome(path ...string) string { return below(s.Home(), path...) }

// inConfig is a path in the directory where programs with windows keep their
// configuration.
func (s *System) inConfig(path ...string) string {
	switch s.OS {
	case "windows":
		if dir := s.env("APPDATA"); dir != "" {
			return below(dir, path...)
		}
		return below(s.inHome("AppData", "Roaming"), path...)
	case "darwin", "ios":
		return below(s.inHome("Library", "Application Support"), path...)
	}
	if dir := s.env("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return below(dir, path...)
	}
	return below(s.inHome(".config"), path...)
}

func (s *System) claudeCode() string {
	if dir := s.env("CLAUDE_CONFIG_DIR"); dir != "" {
		return below(dir, ".claude.json")
	}
	return s.inHome(".claude.json")
}

func below(dir string, path ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, path...)...)
}
