// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	groupSize    = 3
	lease        = 5 * time.Second // after which replicas take a silent one for dead
	maxHang      = 3 * time.Second // of a replica, for it to stay alive for the others
	replicaIdle  = 20 * time.Second
	aliceToken   = "alice-0123456789abcdef"
	bobToken     = "bob-0123456789abcdef"
	replicaWords = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
)

// An incarnation is one process of a replica, from its start to its end.
type incarnation struct {
	*proxy
	slot  int
	hop   string // host:port, as the balancer knows it
	admin string // URL
	name  string // as it stands in session ids

	mu      sync.Mutex
	killing bool      // guarded by mu; it is or will be killed
	termed  time.Time // guarded by mu
	ended   time.Time // guarded by mu; zero while it runs
	hung    bool      // guarded by mu
	awoke   time.Time // guarded by mu; when it last went on after a hang
}

// A group is replicas, their directory and the balancer in front of them.
type group struct {
	*torture
	ctx     context.Context
	scratch string
	drain   time.Duration
	base    string // URL of the balancer
	redisAt string // host:port
	hops    [groupSize]string
	redis   *exec.Cmd
	nginx   *exec.Cmd

	mu   sync.Mutex
	all  []*incarnation          // guarded by mu
	slot [groupSize]*incarnation // guarded by mu; the current ones
}

// startGroup starts everything. What it has started is ended by close, also
// after an error.
func (g *group) start() error {
	var err error
	if g.redisAt, err = freeAddress(); err != nil {
		return err
	}
	for i := range g.hops {
		if g.hops[i], err = freeAddress(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(g.scratch, "key"), []byte(replicaWords), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(g.scratch, "tokens"), []byte("alice="+aliceToken+"\nbob="+bobToken+"\n"), 0o600); err != nil {
		return err
	}
	if err := g.startRedis(); err != nil {
		return err
	}
	if err := g.startNginx(); err != nil {
		return err
	}
	errs := make(chan error, groupSize)
	for i := range groupSize {
		go func() { errs <- g.launch(i) }()
	}
	for range groupSize {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		return err
	}
	return g.acquainted()
}

// tool starts a program that others made, with its output in a file.
func (g *group) tool(name string, args ...string) (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Join(g.scratch, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "TORTURE_RUN="+g.marker)
	ownGroup(cmd)
	return cmd, g.keeper.start(cmd)
}

// listens waits until something accepts connections.
func (g *group) listens(address, program string) error {
	for end := time.Now().Add(proxyStart); ; pause(g.ctx, 10) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) || g.ctx.Err() != nil {
			said, _ := os.ReadFile(filepath.Join(g.scratch, program+".log"))
			return fmt.Errorf("%s does not listen: %s", program, said)
		}
	}
}

// startRedis starts a directory with nothing in it.
func (g *group) startRedis() (err error) {
	host, port, _ := net.SplitHostPort(g.redisAt)
	g.redis, err = g.tool("redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", g.scratch)
	if err != nil {
		return err
	}
	return g.listens(g.redisAt, "redis-server")
}

func (g *group) killRedis() {
	_ = g.redis.Process.Kill()
	_ = g.keeper.wait(g.redis)
}

// nginxConf is round robin as an operator of nginx writes it. A request goes
// to the next replica if the connection is refused; a POST that was sent does
// not go anywhere else, which is nginx's default. The header of the answer
// tells the last replica that was asked.
const nginxConf = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path tmp-body;
	proxy_temp_path tmp-proxy;
	fastcgi_temp_path tmp-fastcgi;
	uwsgi_temp_path tmp-uwsgi;
	scgi_temp_path tmp-scgi;
	keepalive_requests 1000000;
	keepalive_timeout 1h;
	client_max_body_size 64m;
	upstream shproxy {
%s		keepalive 16;
	}
	server {
		listen %s;
		location / {
			proxy_pass http://shproxy;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_buffering off;
			proxy_read_timeout 1h;
			proxy_next_upstream error timeout;
			add_header X-Hop $upstream_addr always;
		}
	}
}
`

func (g *group) startNginx() error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	var servers strings.Builder
	for _, hop := range g.hops {
		fmt.Fprintf(&servers, "\t\tserver %s max_fails=1 fail_timeout=1s;\n", hop)
	}
	conf := filepath.Join(g.scratch, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, servers.String(), address), 0o600); err != nil {
		return err
	}
	if g.nginx, err = g.tool("nginx", "-p", g.scratch, "-e", "stderr", "-c", conf); err != nil {
		return err
	}
	g.base = "http://" + address
	return g.listens(address, "nginx")
}

// launch starts a replica in a slot, in the place of one that has ended.
func (g *group) launch(slot int) error {
	adminAt, err := freeAddress()
	if err != nil {
		return err
	}
	p, err := g.startProxyAt(g.ctx, g.hops[slot], nil, []string{
		"--public-url", g.base, "--directory", "redis://" + g.redisAt + "/0", "--replica-addr", "127.0.0.1:0",
		"--replica-key-file", filepath.Join(g.scratch, "key"), "--token-file", filepath.Join(g.scratch, "tokens"),
		"--admin-addr", adminAt, "--no-probe", "--server-protocol", "legacy", "--max-sessions", "200",
		"--max-starts", "16", "--drain-timeout", g.drain.String(), "--idle-timeout", replicaIdle.String(),
		"--", g.server, roleCounter, g.marker,
	})
	if err != nil {
		return err
	}
	inc := &incarnation{proxy: p, slot: slot, hop: g.hops[slot], admin: "http://" + adminAt}
	go func() {
		<-p.exited
		inc.mu.Lock()
		defer inc.mu.Unlock()
		inc.ended = time.Now()
	}()
	s, err := inc.status(g.ctx)
	if err != nil {
		p.kill()
		return err
	}
	inc.name = s.Replica.Name
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, inc)
	g.slot[slot] = inc
	return nil
}

// replicaStatus is what is needed of /status.
type replicaStatus struct {
	Replica struct {
		Name      string            `json:"name"`
		Others    []json.RawMessage `json:"others"`
		Forwarded map[string]int    `json:"forwarded"`
		Received  int               `json:"received"`
	} `json:"replica"`
}

func (inc *incarnation) status(ctx context.Context) (s replicaStatus, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, inc.admin+"/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := inc.client.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&s)
	if err == nil && s.Replica.Name == "" {
		err = errors.New("/status does not name the replica")
	}
	return s, err
}

// acquainted waits until all replicas know all others.
func (g *group) acquainted() error {
	for end := time.Now().Add(proxyStart); ; pause(g.ctx, 20) {
		know := 0
		for _, inc := range g.current() {
			if s, err := inc.status(g.ctx); err == nil && len(s.Replica.Others) >= groupSize-1 {
				know++
			}
		}
		switch {
		case know == groupSize:
			return nil
		case g.ctx.Err() != nil:
			return g.ctx.Err()
		case time.Now().After(end):
			return errors.New("the replicas do not know each other")
		}
	}
}

func (g *group) current() []*incarnation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.slot[:])
}

// dealt waits until the balancer, which leaves out a replica that has failed for
// a second or two, takes one into account again.
func (g *group) dealt(slot int) error {
	client := newHTTPClient(false)
	defer client.CloseIdleConnections()
	for end := time.Now().Add(proxyStart); ; pause(g.ctx, 20) {
		req, err := http.NewRequestWithContext(g.ctx, http.MethodGet, g.base+"/healthz", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if strings.HasSuffix(resp.Header.Get("X-Hop"), g.hops[slot]) {
				return nil
			}
		}
		if time.Now().After(end) || g.ctx.Err() != nil {
			return errors.Join(errors.New("the balancer does not find a replica again"), g.ctx.Err())
		}
	}
}

// called returns the incarnation of that name, or nil.
func (g *group) called(name string) *incarnation {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, inc := range g.all {
		if inc.name == name {
			return inc
		}
	}
	return nil
}

// mayBeGone reports whether sessions of the replica of that name may have ended
// with it: it was killed, or has had its time to drain.
func (g *group) mayBeGone(name string) bool {
	inc := g.called(name)
	if inc == nil {
		return false
	}
	inc.mu.Lock()
	defer inc.mu.Unlock()
	return inc.killing || !inc.termed.IsZero() && time.Since(inc.termed) >= g.drain*3/4
}

// killedAt reports whether a replica at that address, through which a request
// went that began then, was killed meanwhile.
func (g *group) killedAt(hop string, begun time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, inc := range g.all {
		if inc.hop == hop && inc.killedSince(begun) {
			return true
		}
	}
	return false
}

func (inc *incarnation) killedSince(begun time.Time) bool {
	inc.mu.Lock()
	defer inc.mu.Unlock()
	return inc.killing && (inc.ended.IsZero() || inc.ended.After(begun))
}

// disturbed reports whether a replica hangs, or did lately.
func (g *group) disturbed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.all, func(inc *incarnation) bool {
		inc.mu.Lock()
		defer inc.mu.Unlock()
		return inc.hung || time.Since(inc.awoke) < lease+time.Second
	})
}

// at returns the name of the replica that is at that address now.
func (g *group) at(hop string) string {
	for _, inc := range g.current() {
		if inc.hop == hop {
			return inc.name
		}
	}
	return ""
}

// crash kills a replica and starts another one in its place.
func (g *group) crash(slot int) error {
	inc := g.current()[slot]
	inc.mu.Lock()
	inc.killing = true
	inc.mu.Unlock()
	inc.kill()
	pause(g.ctx, 300) // others have to do without it for a while
	if err := g.launch(slot); err != nil {
		return err
	}
	if err := g.acquainted(); err != nil {
		return err
	}
	return g.dealt(slot)
}

// roll ends a replica as an orchestrator does, and starts another one.
func (g *group) roll(slot int) error {
	inc := g.current()[slot]
	inc.mu.Lock()
	inc.termed = time.Now()
	inc.mu.Unlock()
	if _, ok := inc.end(syscall.SIGTERM, g.drain+10*time.Second); !ok || inc.err != nil {
		g.report(violation{Kind: badEnding, Phase: "roll", Want: "status 0 after TERM", Got: fmt.Sprintf("%v: %s", inc.err, inc.log.tail())})
	}
	if err := g.launch(slot); err != nil {
		return err
	}
	if err := g.acquainted(); err != nil {
		return err
	}
	return g.dealt(slot)
}

// hang stops a replica for a moment.
func (g *group) hang(slot int, d time.Duration) {
	inc := g.current()[slot]
	inc.mu.Lock()
	inc.hung = true
	inc.mu.Unlock()
	_ = inc.cmd.Process.Signal(signalStop)
	pause(g.ctx, int(d.Milliseconds()))
	_ = inc.cmd.Process.Signal(signalContinue)
	inc.mu.Lock()
	defer inc.mu.Unlock()
	inc.hung, inc.awoke = false, time.Now()
}

// passedOn adds up what the present replicas have passed on, and received.
func (g *group) passedOn() (ok, bad, received int, err error) {
	for _, inc := range g.current() {
		s, err := inc.status(g.ctx)
		if err != nil {
			return 0, 0, 0, err
		}
		for result, n := range s.Replica.Forwarded {
			if result == "ok" {
				ok += n
			} else {
				bad += n
			}
		}
		received += s.Replica.Received
	}
	return ok, bad, received, nil
}

// close ends everything that is there.
func (g *group) close() {
	for _, inc := range g.current() {
		if inc != nil {
			inc.mu.Lock()
			inc.termed = time.Now()
			inc.mu.Unlock()
			if _, ok := inc.end(syscall.SIGTERM, g.drain+10*time.Second); !ok {
				g.report(violation{Kind: badEnding, Phase: "end", Want: "an end after TERM", Got: inc.log.tail()})
			}
		}
	}
	if said, _ := os.ReadFile(filepath.Join(g.scratch, "nginx.log")); g.logTo != nil {
		_, _ = g.logTo.Write(said)
	}
	for _, cmd := range []*exec.Cmd{g.nginx, g.redis} {
		if cmd != nil && cmd.Process != nil {
			_ = cmd.Process.Kill()
			_ = g.keeper.wait(cmd)
		}
	}
}
