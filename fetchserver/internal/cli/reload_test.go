// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

// A hangup has the file read again; calls that are open go on, and a broken file
// changes nothing.
func TestReload(t *testing.T) {
	site, asked, release := slowSite(t)
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allowed := `{"allowPrivate": ["` + site.Listener.Addr().String() + `"]}`
	write(allowed)
	p := start(t, "--config", file)
	done := call(p, site.URL+"/slow")
	<-asked

	write("{}")
	p.signal(syscall.SIGHUP)
	p.logged("configuration read again")
	if text, failed := p.fetch(map[string]any{"url": site.URL + "/"}); !failed || !strings.Contains(text, "not allowed") {
		t.Errorf("after the address was taken out: %q", text)
	}
	release()
	if text, failed := done(); failed || !strings.Contains(text, "# Late") {
		t.Errorf("the call that was open: %q", text)
	}

	write(strings.Replace(allowed, "allowPrivate", "alowPrivate", 1))
	p.signal(syscall.SIGHUP)
	if r := p.logged("configuration not usable, keeping the old one"); !strings.Contains(r.Error, "alowPrivate: there is no such member") {
		t.Errorf("the log says %q", r.Error)
	}
	if status, _ := get(t, strings.TrimSuffix(p.url, "/mcp")+"/readyz"); status != 200 {
		t.Errorf("ready: %d", status)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Without anything to read again, a hangup is the end, as of a terminal.
func TestHangup(t *testing.T) {
	p := start(t)
	p.signal(syscall.SIGHUP)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	roots := acmetest.Certificate(t, dir)
	p := start(t, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	if !strings.HasPrefix(p.url, "https://127.0.0.1:") {
		t.Fatalf("it listens at %s", p.url)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	url := strings.Replace(strings.TrimSuffix(p.url, "/mcp"), "127.0.0.1", "localhost", 1) + "/healthz"
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Errorf("%v", resp)
	}
}
