// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func shellOnTerminal(t *testing.T, state string) *screen {
	t.Helper()
	s := onTerminal(t, []string{"XDG_STATE_HOME=" + state}, "shell", "-v", "--", "stdioserver")
	s.await("Connected to tools 1, MCP 2026-07-28. Type help for help")
	s.await("tools> ")
	return s
}

func TestShellOnATerminal(t *testing.T) {
	state := t.TempDir()
	s := shellOnTerminal(t, state)

	s.press("ec\t") // a tool that is alone
	s.await("echo ")
	s.press("m\thi\r")
	s.await("message=hi")
	s.await("\r\nhi\r\n")
	s.await("tools> ")

	s.press("\t") // everything that a line can begin with
	if list := plainText(s.await("tools> ")); !strings.Contains(list, "add") || !strings.Contains(list, "call") || !strings.Contains(list, "exit") {
		t.Errorf("completion shows %q", list)
	}

	s.press("garbage\x03") // Ctrl-C takes back the line
	s.press("\x1b[A\r")    // up: the line before
	s.await("\r\nhi\r\n")
	s.await("tools> ")

	s.press("fail\r") // what fails ends nothing
	s.await("out of tea")
	s.await("shclient: the tool fail reported an error")
	s.await("tools> ")
	s.press("wait\r") // Ctrl-C ends what runs, and nothing else
	s.await("\r\n")
	s.await("waiting")
	s.press("\x03")
	s.await("shclient: interrupted")
	s.await("tools> ")

	s.press("ask\r") // a question is answered, or ends with what led to it
	s.await("Who are you?")
	s.await("> ")
	s.press("Ada\r")
	s.await("Send this?")
	s.press("y\r")
	s.await(`"name":"Ada"`)
	s.await("tools> ")
	s.press("ask\r")
	s.await("Who are you?")
	s.await("> ")
	s.press("Bob\x03")
	s.await("shclient: interrupted")
	s.await("tools> ")

	s.press(" echo message=secret\r") // a blank in front: not kept
	s.await("\r\nsecret\r\n")
	s.await("tools> ")
	s.press("\x04")
	if status := s.end(); status != 0 {
		t.Errorf("status %d", status)
	}
	kept, err := os.ReadFile(filepath.Join(state, "mcp-oauth-gateway", "shell-history"))
	if err != nil || string(kept) != "echo message=hi\nfail\nwait\nask\n" {
		t.Errorf("kept %q, %v", kept, err)
	}

	s = shellOnTerminal(t, state) // the history of the run before
	s.press("\x1b[A\x1b[A\x1b[A\x1b[A\r")
	s.await("\r\nhi\r\n")
	s.await("tools> ")
	s.press("exit\r")
	if status := s.end(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestShellEndsWithItsTerminal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		s := shellOnTerminal(t, t.TempDir())
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if status := s.end(); status != 0 {
			t.Errorf("%v: status %d", sig, status)
		}
	}
}

func TestShellOverHTTP(t *testing.T) {
	server := httptest.NewServer(mcpHandler(nil))
	defer server.Close()
	s := onTerminal(t, []string{"XDG_STATE_HOME=" + t.TempDir()}, "shell", "--no-history", server.URL+"/mcp")
	s.await("tools> ")
	s.press("call add A=1.5 B=2\r")
	s.await(`"sum": 3.5`)
	s.await("tools> ")
	s.press("\x04")
	if status := s.end(); status != 0 {
		t.Errorf("status %d", status)
	}
}
