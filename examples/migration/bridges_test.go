// SPDX-License-Identifier: Apache-2.0

//go:build unix

package migration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

const remoteURL = "https://mcp.example.com/mcp"

// keyed sends the key in both ways that the pages know.
type keyed struct{}

func (keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-API-Key", key)
	r.Header.Set("Authorization", "Bearer "+key)
	return http.DefaultTransport.RoundTrip(r)
}

func keyedClient() *http.Client { return &http.Client{Transport: keyed{}} }

// An answer is what a client gets from a server: its tools, and what some say.
type answer struct {
	Tools []string
	Said  map[string]string
}

func ask(t *testing.T, session *mcp.ClientSession) (a answer) {
	t.Helper()
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Said = map[string]string{}
	for _, tool := range list.Tools {
		a.Tools = append(a.Tools, tool.Name)
	}
	slices.Sort(a.Tools)
	for name, arguments := range map[string]map[string]any{
		"echo":        {"message": "moved"},
		"get-sum":     {"a": 2, "b": 40},
		"printHeader": {},
	} {
		if !slices.Contains(a.Tools, name) {
			continue
		}
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		said, err := json.Marshal(result.Content)
		if err != nil {
			t.Fatal(err)
		}
		a.Said[name] = string(said)
	}
	if len(a.Said) == 0 {
		t.Fatalf("none of the tools is known: %v", a.Tools)
	}
	// Of the header, what somebody asked for is compared: each program has others.
	if header, ok := a.Said["printHeader"]; ok {
		a.Said["printHeader"] = teamHeader.FindString(header)
	}
	return a
}

var teamHeader = regexp.MustCompile(`X-Team: \w+`)

// All pages can be read, and what they show of configurations is JSON.
func TestPages(t *testing.T) {
	files, err := filepath.Glob("../../docs/migration/*")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if diff := cmp.Diff([]string{"mcp-proxy.md", "mcp-remote.md", "original.md", "supergateway.md"}, files); diff != "" {
		t.Fatalf("pages that have tests, and those that are there:\n%s", diff)
	}
	for _, name := range files {
		p := readPage(t, name)
		if len(p.pairs(t)) == 0 {
			t.Errorf("%s: nothing old that becomes something new", name)
		}
		for _, b := range p.blocks {
			if b.language == "json" {
				readConfiguration(t, b)
			}
		}
	}
}

// Old and new lines give the same answer.
func TestPairs(t *testing.T) {
	require(t)
	for _, name := range []string{"supergateway.md", "mcp-proxy.md", "mcp-remote.md"} {
		p := readPage(t, name)
		for _, pair := range p.pairs(t) {
			t.Run(fmt.Sprintf("%s:%d", name, pair.was.line), func(t *testing.T) {
				t.Parallel()
				s := newSandbox(t)
				s.swaps = []string{remoteURL, s.remote()}
				s.prepare(p, pair.was.line)
				was := s.answer(pair.was)
				if said := was.Said["printHeader"]; strings.Contains(pair.was.text, "X-Team") && said != "X-Team: blue" {
					t.Errorf("the header of the old line has not arrived: %q", said)
				}
				if strings.Contains(pair.was.text, "fail*") && slices.Contains(was.Tools, "failCall") {
					t.Errorf("the old line hides no tool: %v", was.Tools)
				}
				for _, now := range pair.now {
					if diff := cmp.Diff(was, s.answer(now)); diff != "" {
						t.Errorf("line %d and line %d differ (-was +now):\n%s", pair.was.line, now.line, diff)
					}
				}
			})
		}
	}
}

// prepare runs what stands above a line and is neither old nor new, but what
// needs a login, and writes the files.
func (s *sandbox) prepare(p *page, line int) {
	s.Helper()
	for _, b := range p.blocks {
		switch {
		case b.line > line || b.has("was") || b.has("now") || strings.Contains(b.text, "shclient login"):
		case b.language == "json" && len(b.words) == 1:
			if err := os.WriteFile(filepath.Join(s.dir, b.words[0]), []byte(s.here(b.text)), 0o600); err != nil {
				s.Fatal(err)
			}
		case b.language == "sh":
			s.run(b)
		}
	}
}

// answer starts what a block has, and asks it.
func (s *sandbox) answer(b block) answer {
	s.Helper()
	if b.language == "json" {
		return s.configured(b)
	}
	if b.has("stdio") {
		return s.askStdio(s.command("exec " + strings.TrimSpace(b.text)))
	}
	end := s.start(b)
	defer end()
	session := s.dial(s.endpointOf(b))
	defer session.Close()
	return ask(s.T, session)
}

func (s *sandbox) askStdio(cmd *exec.Cmd) answer {
	s.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	session, err := connect(s.T, &mcp.CommandTransport{Command: cmd})
	if err != nil {
		s.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	defer session.Close()
	return ask(s.T, session)
}

// A configuration is that of a client: of VS Code it has servers, of most
// others mcpServers.
type configuration struct {
	MCPServers map[string]configuredServer `json:"mcpServers"`
	Servers    map[string]configuredServer `json:"servers"`
}

type configuredServer struct {
	Type    string            `json:"type"`
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env"`
	URL     string            `json:"url"`
}

func readConfiguration(t *testing.T, b block) configuredServer {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(b.text))
	decoder.DisallowUnknownFields()
	var c configuration
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("line %d: %v", b.line, err)
	}
	for _, servers := range []map[string]configuredServer{c.MCPServers, c.Servers} {
		for _, server := range servers {
			return server
		}
	}
	t.Fatalf("line %d: no server", b.line)
	return configuredServer{}
}

// configured starts the server of a configuration as a client does.
func (s *sandbox) configured(b block) answer {
	s.Helper()
	server := readConfiguration(s.T, b)
	if server.URL != "" {
		session := s.dial(s.here(server.URL))
		defer session.Close()
		return ask(s.T, session)
	}
	args := make([]string, len(server.Args))
	for i, arg := range server.Args {
		args[i] = s.here(arg)
	}
	cmd := exec.Command("env", append([]string{server.Command}, args...)...) // which finds it in the sandbox's PATH
	cmd.Dir, cmd.Env = s.dir, s.env
	for name, value := range server.Env {
		cmd.Env = append(cmd.Env, name+"="+s.here(value))
	}
	return s.askStdio(cmd)
}

// The commands about logins sign in, and out.
func TestLogins(t *testing.T) {
	require(t)
	t.Parallel()
	s := newSandbox(t)
	ours, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	port := s.freePort()
	s.swaps = []string{remoteURL, "http://127.0.0.1:" + port + "/mcp"}
	issuer := servetest.Start(t, filepath.Join(ours, "oauthdyn"), "--resource", s.swaps[1])
	servetest.Listen(t, filepath.Join(ours, "shproxy"), "--port", port, "--auth-issuer", issuer, "--", filepath.Join(ours, "echo-server"), "-stdio")
	var said strings.Builder
	for _, b := range readPage(t, "mcp-remote.md").blocks {
		if b.language == "sh" && !b.has("was") && !b.has("now") {
			said.WriteString(s.run(b))
		}
	}
	if !strings.Contains(said.String(), "hello") || !strings.Contains(said.String(), s.swaps[1]) {
		t.Errorf("they said:\n%s", said.String())
	}
}

// The tables of flags name all that the old program has, say truly what is
// taken, and name nothing here that is not there.
func TestFlagTables(t *testing.T) {
	require(t)
	s := newSandbox(t)
	ours, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	here := flags(s.run(block{text: "shproxy --help; shclient --help"}))
	for _, table := range []struct {
		page, head string
		theirs     string // prints their flags
		program    string // that takes them
	}{
		{"supergateway.md", "supergateway", "npx supergateway --help", "shproxy"},
		{"mcp-proxy.md", "mcp-proxy (TypeScript)", "npx mcp-proxy --help", "shproxy"},
		{"mcp-proxy.md", "mcp-proxy (Python)", "uvx mcp-proxy --help", "shproxy"},
		// It has no --help; this is how its source asks for them.
		{"mcp-remote.md", "mcp-remote", `grep -ohE "['\"]--[a-z][a-zA-Z0-9-]*['\"]" ` + filepath.Join(npmBundle().Dir, "mcp-remote", "dist") + `/*.js`, "shclient"},
	} {
		t.Run(table.head, func(t *testing.T) {
			var listed []string
			var theirs []string
			for _, match := range optionLine.FindAllStringSubmatch(s.run(block{text: table.theirs + " 2>&1"}), -1) {
				theirs = append(theirs, match[1])
			}
			for _, row := range readPage(t, table.page).table(t, table.head) {
				for _, name := range flags(row[0]) {
					listed = append(listed, name)
					if got := taken(filepath.Join(ours, table.program), name); got != row[1] {
						t.Errorf("%s: taken: %s, and the page says %s", name, got, row[1])
					}
				}
				for _, name := range flags(row[2]) {
					if !slices.Contains(here, name) {
						t.Errorf("%s leads to %s, which is not there", row[0], name)
					}
				}
			}
			for _, name := range theirs {
				if positive, ok := strings.CutPrefix(name, "--no-"); ok && slices.Contains(listed, "--"+positive) {
					continue
				}
				if !slices.Contains(listed, name) && name != "--help" && name != "--version" {
					t.Errorf("%s is not in the table", name)
				}
			}
			for _, name := range listed {
				if !slices.Contains(theirs, name) {
					t.Errorf("the table has %s, which %s has not", name, table.head)
				}
			}
		})
	}
}

// optionLine is where a help, or a list of strings, has a flag.
var optionLine = regexp.MustCompile(`(?m)^(?: {2,4}(?:-\w[^\n]*?, )?|['"])(--[a-zA-Z][a-zA-Z0-9-]*)`)

// taken tries a flag. What else is wrong, since there is neither a command nor
// a URL, does not matter.
func taken(program, name string) string {
	out, err := exec.Command(program, name+"=1").CombinedOutput()
	switch said := string(out); {
	case err == nil:
		return "nothing: it has run"
	case strings.Contains(said, "unknown flag"):
		return "no"
	case strings.Contains(said, "is not taken over"):
		return "refused"
	}
	return "yes"
}
