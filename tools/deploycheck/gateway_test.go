// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tides.pdf" {
			_, _ = w.Write(pdf("The sea rises and falls"))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>Tides</title><p>The sea rises and falls twice a day.</p>")
	}))
	t.Cleanup(page.Close)
	return page
}

// pdf is a page with a text.
func pdf(text string) []byte {
	show := "BT /F1 24 Tf 50 80 Td (" + text + ") Tj ET"
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var offsets []int
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 144] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(show), show),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	} {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 6\n0000000000 65535 f \n")
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// play starts everything, lets a person sign in and call both servers, and ends
// everything.
func (g *gateway) play(t *testing.T) {
	t.Helper()
	var running []*process
	for _, c := range g.commands {
		running = append(running, c.start(t))
	}
	g.use(t)
	stopAll(slices.DeleteFunc(slices.Clone(running), (*process).isStore))
	stopAll(slices.DeleteFunc(running, func(p *process) bool { return !p.isStore() }))
}

// use lets a person sign in and call both servers.
func (g *gateway) use(t *testing.T) {
	t.Helper()
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
	g.session(t, mcp)
	if got := g.shclient(t, "call", fetch, "fetch", "url="+g.page.URL, "raw=false"); !strings.Contains(got, "The sea rises and falls twice a day.") {
		t.Errorf("fetch: %s", got)
	}
}

// stopAll ends processes at the same time.
func stopAll(list []*process) {
	var all sync.WaitGroup
	for _, p := range list {
		all.Go(p.stop)
	}
	all.Wait()
}

// session calls several times in one session of a client of 2025-11-25, so that
// some requests reach a replica that has not got it.
func (g *gateway) session(t *testing.T, address string) {
	t.Helper()
	token := strings.TrimSpace(g.run(t, "oauthdyn", "token", address))
	client, id := g.front.client(), ""
	ask := func(method, body string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if id != "" {
			req.Header.Set("Mcp-Session-Id", id)
			req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s in session %q: %s, %v\n%s", method, body, id, res.Status, err, text)
		}
		return res, string(text)
	}
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"deploycheck","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"one"}}}`,
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"echo","arguments":{"message":"two"}}}`,
		`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","arguments":{"message":"three"}}}`,
	} {
		res, text := ask(http.MethodPost, body)
		if strings.Contains(body, "tools/call") && !strings.Contains(text, "Echo: ") {
			t.Fatalf("%s in session %q: %s", body, id, text)
		}
		if id == "" {
			id = res.Header.Get("Mcp-Session-Id")
		}
	}
	ask(http.MethodDelete, "") // or its replica waits for it at the end
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
	return g.run(t, "shclient", args...)
}

// run runs one of our commands as a client.
func (g *gateway) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(g.bin, program), args...)
	cmd.Env = g.env(t)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %q: %v\n%s%s", program, args, err, out, stderr.String())
	}
	return string(out)
}
