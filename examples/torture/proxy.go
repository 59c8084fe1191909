// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// vitals tell what the proxy's process holds.
type vitals struct {
	Files     int   `json:"open_files"`
	Threads   int   `json:"threads"`
	Resident  int64 `json:"resident_bytes"`
	Anonymous int64 `json:"anonymous_bytes"` // of the resident ones: not backed by files
}

// health is the part of the answer of /healthz that is needed here.
type health struct {
	Status   string `json:"status"`
	Sessions int    `json:"sessions"`
	Children int    `json:"children"`
	Calls    int    `json:"calls"`
	Dropped  int64  `json:"messages_dropped"`
}

// A proxy is a running shproxy.
type proxy struct {
	keeper *keeper
	cmd    *exec.Cmd
	base   string // http://host:port
	log    *proxyLog
	client *http.Client
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

const proxyStart = 30 * time.Second

// startProxy runs shproxy around the server's role of this program.
func (t *torture) startProxy(ctx context.Context, flags []string) (*proxy, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return t.startProxyAt(ctx, address, nil, slices.Concat(flags, []string{"--", t.server, roleServer, t.marker}))
}

// startProxyAt runs shproxy with further flags, which end with the command, and
// more in its environment.
func (t *torture) startProxyAt(ctx context.Context, address string, environ, flags []string) (*proxy, error) {
	host, port, _ := net.SplitHostPort(address)
	args := slices.Concat([]string{"--host", host, "--port", port}, flags)
	p := &proxy{
		keeper: t.keeper, cmd: exec.Command(t.shproxy, args...), base: "http://" + address,
		log: &proxyLog{copy: t.logTo}, exited: make(chan struct{}),
		client: &http.Client{Timeout: proxyStart, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	p.cmd.Stderr = p.log
	// In the environment as well, for what is started from there.
	p.cmd.Env = append(append(os.Environ(), "TORTURE_RUN="+t.marker), environ...)
	p.cmd.WaitDelay = 2 * time.Second
	ownGroup(p.cmd)
	if err := p.keeper.start(p.cmd); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.keeper.wait(p.cmd)
		close(p.exited)
	}()
	for begun := time.Now(); ; {
		if _, err := p.health(ctx); err == nil {
			return p, nil
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("shproxy ended at once (%w): %s", p.err, p.log.tail())
		case <-time.After(5 * time.Millisecond):
		}
		if ctx.Err() != nil || time.Since(begun) > proxyStart {
			p.kill()
			return nil, fmt.Errorf("shproxy does not listen: %s", p.log.tail())
		}
	}
}

func (p *proxy) pid() int { return p.cmd.Process.Pid }

// health asks the proxy how it is. Each question has a connection of its own,
// that leaves no file open.
func (p *proxy) health(ctx context.Context) (h health, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/healthz", nil)
	if err != nil {
		return h, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	return h, json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&h)
}

// end sends a signal and waits for the proxy to end. What does not end is
// killed, and the last result is false.
func (p *proxy) end(signal os.Signal, limit time.Duration) (took time.Duration, ok bool) {
	begun := time.Now()
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.exited:
		return time.Since(begun), true
	case <-time.After(limit):
		p.kill()
		return time.Since(begun), false
	}
}

func (p *proxy) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// goroutines ends the proxy in the way that makes it tell where each of its
// goroutines was created. It maps that to their number.
func (p *proxy) goroutines() (map[string]int, bool) {
	p.log.keepAll()
	if _, ok := p.end(syscall.SIGQUIT, 10*time.Second); !ok {
		return nil, false
	}
	return parseGoroutines(p.log.all()), true
}

// parseGoroutines reads the dump of a Go program that got SIGQUIT.
func parseGoroutines(dump string) map[string]int {
	found := make(map[string]int)
	for block := range strings.SplitSeq(dump, "\n\n") {
		block = strings.TrimLeft(block, "\n")
		if !strings.HasPrefix(block, "goroutine ") || strings.HasPrefix(block, "goroutine 0 ") {
			continue
		}
		origin := "main"
		if _, created, ok := strings.Cut(block, "\ncreated by "); ok {
			origin, _, _ = strings.Cut(created, " in goroutine ")
			origin = filepath.Base(strings.TrimSpace(origin))
		}
		if !strings.HasPrefix(origin, "runtime.") { // those come with the first collection and the like
			found[origin]++
		}
	}
	return found
}

// freeAddress returns a loopback address that nothing listens on. Its port is
// below those that systems give to whoever asks for any.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", err
}
