// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = time.Minute
	stopTimeout  = time.Minute
)

// A proxy is a running shproxy.
type proxy struct {
	url string // of the endpoint
	cmd *exec.Cmd
	log *output
	end chan struct{} // closed when its output has ended
}

// startProxy runs shproxy and waits until it listens. The test should stop
// it; else it is killed.
func startProxy(t *testing.T, args ...string) *proxy {
	t.Helper()
	program, err := buildShproxy()
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{log: &output{}, end: make(chan struct{})}
	p.cmd = exec.Command(program, append([]string{"--port", "0"}, args...)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url := make(chan string, 1)
	go func() {
		defer close(p.end)
		p.follow(stderr, url)
	}()
	t.Cleanup(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // no process, if it was stopped
		<-p.end
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("shproxy wrote:\n%s", p.log)
		}
	})
	select {
	case p.url = <-url:
		return p
	case <-p.end:
		t.Fatal("shproxy ended before it listened")
	case <-time.After(startTimeout):
		t.Fatalf("shproxy did not listen within %v", startTimeout)
	}
	return nil
}

// follow keeps the log and finds the URL in it.
func (p *proxy) follow(stderr io.Reader, url chan<- string) {
	for r := bufio.NewReader(stderr); ; {
		text, err := r.ReadString('\n')
		io.WriteString(p.log, text)
		if _, found, ok := strings.Cut(strings.TrimSpace(text), "msg=listening url="); ok {
			url <- found
		}
		if err != nil {
			return
		}
	}
}

// stop asks shproxy to end and expects that it does, with exit code 0.
func (p *proxy) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.end:
	case <-time.After(stopTimeout):
		t.Fatalf("shproxy did not end within %v", stopTimeout)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("shproxy: %v", err)
	}
}

// health is the part of /healthz that is looked at here.
type health struct {
	Sessions int   `json:"sessions"`
	Started  int   `json:"children_started"`
	Calls    int   `json:"calls"`
	Dropped  int64 `json:"messages_dropped"`
}

func (p *proxy) health(ctx context.Context, t *testing.T) health {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.url, "/mcp")+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var h health
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h
}

// await polls until ok, which says otherwise what it waits for.
func await(ctx context.Context, t *testing.T, ok func() (waitsFor string)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for what := ok(); what != ""; what = ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%v while waiting for %s", context.Cause(ctx), what)
		}
	}
}
