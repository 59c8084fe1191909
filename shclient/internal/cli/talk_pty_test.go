// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// talkOnTerminal runs a command with a server at URL. Pages that the browser is
// asked for end up in the file opened in dir.
func talkOnTerminal(t *testing.T, o *mcp.StreamableHTTPOptions, dir string, args ...string) *screen {
	t.Helper()
	server := httptest.NewServer(mcpHandlerOf(talkServer(dir), o))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "URL", server.URL)
	}
	return onTerminal(t, []string{"BROWSER=browser note " + dir + "/opened", "NO_COLOR=1"}, args...)
}

// bothEras runs a test with a server of each.
func bothEras(t *testing.T, test func(t *testing.T, o *mcp.StreamableHTTPOptions)) {
	t.Run("legacy", func(t *testing.T) { test(t, nil) })
	t.Run("modern", func(t *testing.T) {
		test(t, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
	})
}

func (s *screen) succeeds() {
	s.t.Helper()
	if status := s.end(); status != 0 {
		s.t.Errorf("status %d", status)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	bothEras(t, func(t *testing.T, o *mcp.StreamableHTTPOptions) {
		s := talkOnTerminal(t, o, t.TempDir(), "call", "URL", "slow", "--level", "info")
		shown := s.await(" 33% ") + s.await(" 1/3  started[31m")
		if want := "[warning] w: tired[2J\r\n"; !strings.Contains(shown, want) {
			t.Errorf("no %q on the terminal: %q", want, shown)
		}
		s.press("\x03")
		s.await("\r\x1b[Kshclient: interrupted\r\n")
		if status := s.end(); status != exitFailure {
			t.Errorf("status %d", status)
		}

		s = talkOnTerminal(t, o, t.TempDir(), "call", "URL", "work")
		s.await("# Done\r\n• **all** of it[2J\r\n")
		s.succeeds()
	})
}

func TestColours(t *testing.T) {
	s := onTerminal(t, nil, "call", "--", "true")
	s.await("the name of a tool is missing")
	s = onTerminal(t, nil, "list", "--", "stdioserver")
	s.await("\x1b[1mecho\x1b[m  Say it again.\r\n")
	s.await("    message*  string         what to say\r\n")
	s.succeeds()
}

func TestImagesOnATerminal(t *testing.T) {
	plain := []string{"TERM=xterm", "TERM_PROGRAM=", "KITTY_WINDOW_ID=", "LC_TERMINAL=", "TMUX=", "STY="}
	call := func(env ...string) *screen {
		return onTerminal(t, append(plain, env...), "call", "picture", "--", "talkserver")
	}
	s := call("KITTY_WINDOW_ID=1")
	s.await("\x1b_Ga=T,f=100,q=2,m=0;")
	s.succeeds()

	s = call("TERM_PROGRAM=iTerm.app")
	s.await("\x1b]1337;File=inline=1;")
	s.succeeds()

	s = call() // a terminal that says of itself that it has sixel graphics
	s.await("\x1b[c")
	s.press("\x1b[?62;4;22c")
	s.await("\x1bP0;1;0q\"1;1;4;4#")
	s.succeeds()

	s = call("TMUX=x", "KITTY_WINDOW_ID=1") // tmux passes none of kitty's images
	s.await("\x1b[c")
	s.press("\x1b[?1;2c")
	s.await("[image image/png, ")
	s.succeeds()
}

func TestWatchOnATerminal(t *testing.T) {
	s := onTerminal(t, []string{"NO_COLOR=1"}, "watch", "docs://readme", "--", "richserver")
	s.await(" resources/updated docs://readme\r\n")
	s.press("\x03")
	s.succeeds()
	s = onTerminal(t, []string{"NO_COLOR=1"}, "watch", "docs://readme", "--json", "--", "richserver")
	s.await(`"uri":"docs://readme"`)
	// Ctrl-C also discards what is on its way to the terminal, which may be the
	// end of the array.
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	s.await("\r\n]\r\n")
	s.succeeds()
}

func TestFormOnATerminal(t *testing.T) {
	bothEras(t, func(t *testing.T, o *mcp.StreamableHTTPOptions) {
		s := talkOnTerminal(t, o, t.TempDir(), "call", "URL", "book")
		s.await(" asks:\r\n\r\n  Which room?[2J\r\n")
		s.await("Your name (text)\r\n> ")
		s.press("Ada\r")
		s.await("nights (whole number, optional)\r\n[1] > ")
		s.press("0\r")
		s.await("That does not fit: want at least 1.\r\n[1] > ")
		s.press("2\r")
		s.await("  Your name  Ada\r\n  nights     2\r\nSend this? ")
		s.press("\r")
		s.await(`answer {"action":"accept","content":{"name":"Ada","nights":2}}`)
		s.succeeds()

		s = talkOnTerminal(t, o, t.TempDir(), "call", "URL", "book")
		s.await("> ")
		s.press("/decline\r")
		s.await(`answer {"action":"decline"}`)
		s.succeeds()

		s = talkOnTerminal(t, o, t.TempDir(), "call", "URL", "book")
		s.await("> ")
		s.press("\x04") // Ctrl-D
		s.await(`answer {"action":"cancel"}`)
		s.succeeds()

		s = talkOnTerminal(t, o, t.TempDir(), "call", "URL", "book")
		s.await("> ")
		s.press("\x03") // Ctrl-C
		s.await("shclient: interrupted\r\n")
		if status := s.end(); status != exitFailure {
			t.Errorf("status %d", status)
		}
	})
}

func TestAddressOnATerminal(t *testing.T) {
	bothEras(t, func(t *testing.T, o *mcp.StreamableHTTPOptions) {
		dir := t.TempDir()
		s := talkOnTerminal(t, o, dir, "call", "URL", "pay")
		s.await("  https://pay.example/1\r\n")
		s.await("Open it? [n]o, [y]es, [c]ancel: ")
		s.press("\r")
		s.await(`"action":"decline"`)
		s.succeeds()
		if page, err := os.ReadFile(dir + "/opened"); err == nil {
			t.Errorf("without a yes the browser was asked for %s", page)
		}

		s = talkOnTerminal(t, o, dir, "call", "URL", "pay")
		s.await("Open it? [n]o, [y]es, [c]ancel: ")
		s.press("y\r")
		s.await(`"action":"accept"`)
		s.succeeds()
		if page, err := os.ReadFile(dir + "/opened"); err != nil || string(page) != "https://pay.example/1" {
			t.Errorf("the browser was asked for %q %v", page, err)
		}
	})
}

func TestSamplingOnATerminal(t *testing.T) {
	bothEras(t, func(t *testing.T, o *mcp.StreamableHTTPOptions) {
		s := talkOnTerminal(t, o, t.TempDir(), "call", "URL", "think", "--sampling")
		s.await("user:\r\n  What is 6 times 7?\r\n")
		s.await("> ")
		s.press("42\r")
		s.await("> ")
		s.press(".\r")
		s.await("answer\r\n{")
		s.await(`"text":"42"`)
		s.succeeds()
	})
}
