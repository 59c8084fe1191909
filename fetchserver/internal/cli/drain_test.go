// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// slowSite has a page that is not answered before release is called; asked is
// closed when somebody has asked for it.
func slowSite(t *testing.T) (s *httptest.Server, asked chan struct{}, release func()) {
	t.Helper()
	asked, released := make(chan struct{}), make(chan struct{})
	var once, freed sync.Once
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			once.Do(func() { close(asked) })
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<h1>Late</h1>")
	}))
	release = func() { freed.Do(func() { close(released) }) }
	t.Cleanup(s.Close)
	t.Cleanup(release)
	return s, asked, release
}

// call fetches the slow page; done returns what came of it.
func call(p *process, url string) (done func() (string, bool)) {
	var text string
	var failed bool
	var calling sync.WaitGroup
	calling.Go(func() { text, failed = p.fetch(map[string]any{"url": url}) })
	return func() (string, bool) { calling.Wait(); return text, failed }
}

// A call that is there when the signal comes is answered. Probes are told not to
// send others, and after the delay none are taken.
func TestDrain(t *testing.T) {
	site, asked, release := slowSite(t)
	p := start(t, "--allow-private", site.Listener.Addr().String(), "--admin-addr", "127.0.0.1:0", "--drain-timeout", "10m")
	if status, body := get(t, p.admin+"/readyz"); status != 200 || body != `{"status":"ok"}`+"\n" {
		t.Errorf("ready: %d %s", status, body)
	}
	if status, _ := get(t, strings.TrimSuffix(p.url, "/mcp")+"/readyz"); status != 200 {
		t.Errorf("ready at the endpoint's address: %d", status)
	}
	done := call(p, site.URL+"/slow")
	<-asked
	p.signal(syscall.SIGTERM)
	p.logged("stopping")
	if status, body := get(t, p.admin+"/readyz"); status != 503 || body != `{"status":"stopping"}`+"\n" {
		t.Errorf("ready while stopping: %d %s", status, body)
	}
	if status, body := get(t, p.admin+"/healthz"); status != 200 || body != `{"status":"stopping"}`+"\n" {
		t.Errorf("health while stopping: %d %s", status, body)
	}
	addr := strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/mcp")
	for { // until the listener is closed
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	release()
	if text, failed := done(); failed || !strings.Contains(text, "# Late") {
		t.Errorf("the open call: %q", text)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A call that takes too long is cancelled.
func TestDrainTimeout(t *testing.T) {
	site, asked, _ := slowSite(t)
	p := start(t, "--allow-private", site.Listener.Addr().String(), "--drain-timeout", "1ms", "--timeout", "10m")
	done := call(p, site.URL+"/slow")
	<-asked
	p.signal(syscall.SIGTERM)
	p.logged("calls are cancelled")

	if text, failed := done(); !failed {
		t.Errorf("the open call: %q", text)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A second signal ends calls at once, in the delay and after it.
func TestSecondSignal(t *testing.T) {
	for _, flags := range [][]string{{"--drain-timeout", "10m"}, {"--drain-delay", "10m", "--drain-timeout", "10m"}} {
		site, asked, _ := slowSite(t)
		p := start(t, append(flags, "--timeout", "10m", "--allow-private", site.Listener.Addr().String())...)
		done := call(p, site.URL+"/slow")
		<-asked
		p.signal(syscall.SIGTERM)
		p.logged("stopping")
		p.signal(syscall.SIGINT)
		if text, failed := done(); !failed {
			t.Errorf("%v: the open call: %q", flags, text)
		}
		if code := p.wait(); code != 0 {
			t.Errorf("%v: exit code %d", flags, code)
		}
	}
}
