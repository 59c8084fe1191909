// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A gateway is a whole deployment, as processes.
type gateway struct {
	commands []command // in the order in which they start
	front    *front
	bin      string
	page     *httptest.Server // that is fetched
}

// newPage is a page for fetchserver.
func newPage(t *testing.T) *httptest.Server {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>Tides</title><p>The sea rises and falls twice a day.</p>")
	}))
	t.Cleanup(page.Close)
	return page
}

// play starts everything, lets a person sign in and call both servers, and ends
// everything.
func (g *gateway) play(t *testing.T) {
	t.Helper()
	var running []*process
	for _, c := range g.commands {
		running = append(running, c.start(t))
	}
	mcp, fetch := "https://mcp."+domain+"/everything/mcp", "https://fetch."+domain+"/mcp"
	client := g.front.client()
	for _, address := range []string{mcp, fetch} {
		res, err := client.Post(address, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %s", address, res.Status)
		}
		g.signIn(t, address)
	}
	for i := range 4 { // more than replicas
		want := fmt.Sprintf("hello %d", i)
		if got := g.shclient(t, "call", mcp, "echo", "message="+want); !strings.Contains(got, want) {
			t.Errorf("echo: %s", got)
		}
	}
	// A call in a session of its own has each of its requests go to the next replica.
	if got := g.shclient(t, "list", mcp); !strings.Contains(got, "echo") {
		t.Errorf("list: %s", got)
	}
	if got := g.shclient(t, "call", fetch, "fetch", "url="+g.page.URL, "raw=false"); !strings.Contains(got, "The sea rises and falls twice a day.") {
		t.Errorf("fetch: %s", got)
	}
	for i := len(running) - 1; i >= 0; i-- {
		running[i].stop()
	}
}

// env is that of a client.
func (g *gateway) env(t *testing.T) []string {
	home := filepath.Join(g.bin, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return withEnv(g.bin, g.front.env(), []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home})
}

// signIn runs oauthdyn login, with a person at a browser.
func (g *gateway) signIn(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(g.bin, "oauthdyn"), "login", address, "--no-browser")
	cmd.Env = g.env(t)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	opened := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		for word := range strings.FieldsSeq(lines.Text()) {
			if !opened && strings.HasPrefix(word, "https://auth."+domain+"/") {
				opened = true
				if err := signIn(g.front.client(), word); err != nil {
					t.Errorf("sign-in: %v", err)
					cancel()
				}
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("oauthdyn login %s: %v\n%s", address, err, said.String())
	}
}

func (g *gateway) shclient(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(g.bin, "shclient"), args...)
	cmd.Env = g.env(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("shclient %q: %v\n%s", args, err, out)
	}
	return string(out)
}
