// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

const (
	// operationsVar is how many operations TestS88Replicas does.
	operationsVar     = "OAUTHDYN_TEST_OPERATIONS"
	defaultOperations = 2000

	visitors       = 12
	replicasSecret = "the secret of the resource server"

	// patience is how long anything may take on a busy machine. Clients come
	// again for as long as half the grace of refresh tokens, which is a minute.
	patience      = 3 * time.Minute
	clientsRepeat = 30 * time.Second
)

// TestS88Replicas has two replicas of the command on one Redis server. Clients and
// people come to either, from one request to the next, while replicas and Redis
// are killed and come back. No code is redeemed twice, no refresh token is lost
// or has two successors, and what was revoked is refused by both.
//
// Set OAUTHDYN_TEST_OPERATIONS to 20000 for the long form.
func TestS88Replicas(t *testing.T) {
	operations := defaultOperations
	if text := os.Getenv(operationsVar); text != "" {
		var err error
		if operations, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", operationsVar, err)
		}
	}
	s := newSite(t)
	s.budget.Store(int64(operations))
	started := time.Now()
	var all sync.WaitGroup
	everybody := make([]*visitor, visitors)
	for i := range everybody {
		everybody[i] = newVisitor(s, i)
		all.Go(everybody[i].visit)
	}
	kills := s.haveFaults(operations, 4+operations/2500)
	all.Wait()
	for _, v := range everybody {
		all.Go(v.settle)
	}
	all.Wait()
	s.report(kills, time.Since(started))
}

// A site is two replicas, the Redis that they share, and what comes to them.
type site struct {
	t        *testing.T
	redis    *redistest.Server
	replicas [2]*replica
	balancer *balancer

	budget   atomic.Int64 // operations that are still to be done
	faults   atomic.Int64 // odd while something is dead
	failures atomic.Int64 // requests that got no answer, or one that the server failed

	registered, authorized, redeemed, refreshed, repeated, introspected, revoked atomic.Int64
	replayed, abandoned, late, verified                                          atomic.Int64

	mu sync.Mutex
	// mu guards the fields below.
	codes      map[string]int    // how often a code was redeemed
	successors map[string]string // of refresh tokens
	delays     []time.Duration   // from the answer to a revocation until both replicas refused the token
}

func newSite(t *testing.T) *site {
	s := &site{t: t, codes: map[string]int{}, successors: map[string]string{}}
	s.redis = redistest.Start(t, redistest.Redis(t), "--appendonly", "yes", "--appendfsync", "always")
	data := t.TempDir()
	users, err := local.Open(filepath.Join(data, "users"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(users.Set("alice", "correct horse"), os.WriteFile(filepath.Join(data, "secret"), []byte(replicasSecret), 0o600)); err != nil {
		t.Fatal(err)
	}
	var addrs [2]string
	for i := range addrs {
		if addrs[i], err = unusedAddr(); err != nil {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * visitors}
	t.Cleanup(transport.CloseIdleConnections)
	s.balancer = &balancer{addrs: addrs, transport: transport}
	for i, addr := range addrs {
		s.replicas[i] = &replica{t: t, addr: addr, client: &http.Client{Transport: transport, Timeout: patience}, args: []string{
			"serve", "--addr", addr, "--issuer", "http://" + addrs[0], "--data", data, "--store", s.redis.URL(),
			"--resource", killResource, "--resource-server", "id=mcp secret-file=" + filepath.Join(data, "secret"),
			"--registration-limits", "network=100000 software=100000 all=100000", "--verify", "--log-level", "error",
		}}
		s.replicas[i].start()
	}
	return s
}

// haveFaults kills one thing after another, spread over the operations, and
// brings each back. It returns how often.
func (s *site) haveFaults(operations, n int) (kills int) {
	for i := range n {
		for s.budget.Load() > int64(operations-operations*(i+1)/(n+1)) {
			time.Sleep(5 * time.Millisecond) // between two looks at the budget
			if s.t.Failed() {
				s.budget.Store(0)
				return kills
			}
		}
		s.faults.Add(1)
		before := s.failures.Load()
		if i%2 == 1 {
			s.redis.Kill()
			for deadline := time.Now().Add(patience); s.failures.Load() == before && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond) // between two looks
			}
			s.redis.Restart()
		} else {
			r := s.replicas[i/2%2]
			r.kill()
			target := s.budget.Load() - 20
			for deadline := time.Now().Add(patience); s.budget.Load() > max(target, 0) && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond) // the other one works alone
			}
			r.start()
		}
		s.faults.Add(1)
		kills++
	}
	return kills
}

// exchanged notes that a refresh token got a successor.
func (s *site) exchanged(old, next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.successors[old]; ok && known != next {
		s.t.Error("a refresh token has two successors")
	}
	s.successors[old] = next
}

// gotTokens notes that a code was redeemed.
func (s *site) gotTokens(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes[code]++; s.codes[code] > 1 {
		s.t.Error("a code was redeemed twice")
	}
}

func (s *site) report(kills int, took time.Duration) {
	s.t.Logf("%d kills in %v; %d requests, %d of them without a good answer", kills, took.Round(time.Second), s.balancer.requests.Load(), s.failures.Load())
	s.t.Logf("registered %d, authorized %d, redeemed %d, refreshed %d, introspected %d, revoked %d",
		s.registered.Load(), s.authorized.Load(), s.redeemed.Load(), s.refreshed.Load(), s.introspected.Load(), s.revoked.Load())
	s.t.Logf("%d refresh tokens were sent to both replicas at once, %d codes were sent twice and ended their grant, %d codes were given up when the answer was lost, %d refreshes came too late",
		s.repeated.Load(), s.replayed.Load(), s.abandoned.Load(), s.late.Load())
	s.t.Logf("at the end %d refresh tokens were as they should be", s.verified.Load())
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.delays) > 0 {
		slices.Sort(s.delays)
		s.t.Logf("%d revocations while nothing was dead: refused by both replicas after %v (median), %v (longest)", len(s.delays),
			s.delays[len(s.delays)/2].Round(time.Millisecond), s.delays[len(s.delays)-1].Round(time.Millisecond))
	}
}

// A balancer gives requests to one replica and the other in turn, and to the
// other one if one does not listen.
type balancer struct {
	addrs     [2]string
	transport http.RoundTripper
	requests  atomic.Uint64
}

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(req *http.Request) (res *http.Response, err error) {
	n := b.requests.Add(1)
	for i := range uint64(2) {
		sent := req.Clone(req.Context())
		if req.GetBody != nil {
			if sent.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		sent.Host, sent.URL.Host = req.URL.Host, b.addrs[(n+i)%2]
		res, err = b.transport.RoundTrip(sent)
		if failed, ok := errors.AsType[*net.OpError](err); !ok || failed.Op != "dial" {
			break
		}
	}
	return res, err
}

// A replica is a process of the command.
type replica struct {
	t      *testing.T
	addr   string
	client *http.Client
	args   []string
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

// start starts the process and waits until it answers.
func (r *replica) start() {
	exe, err := os.Executable()
	if err != nil {
		r.t.Error(err)
		return
	}
	cmd, stderr := exec.CommandContext(r.t.Context(), exe, r.args...), &bytes.Buffer{}
	cmd.Env = append(os.Environ(), commandVar+"=1")
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		r.t.Error(err)
		return
	}
	r.cmd, r.stderr = cmd, stderr
	r.t.Cleanup(func() { r.end(cmd, stderr) })
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) { // between two questions
		res, err := r.client.Get("http://" + r.addr + "/jwks")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
	r.t.Errorf("the replica does not answer")
}

func (r *replica) kill() { r.end(r.cmd, r.stderr) }

func (r *replica) end(cmd *exec.Cmd, stderr *bytes.Buffer) {
	if cmd.ProcessState != nil {
		return
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if text := stderr.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") {
		r.t.Errorf("a replica wrote:\n%s", text)
	} else if r.t.Failed() {
		r.t.Logf("a replica wrote:\n%s", text[max(0, len(text)-3000):])
	}
}
