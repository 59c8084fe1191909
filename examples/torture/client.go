// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	callTimeout = 30 * time.Second // after that, an answer is missing
	patience    = 20 * time.Second // with a proxy that has no room
	lateness    = 5 * time.Second  // of messages that come on another stream than the answer
)

// A client lives through its plan.
type client struct {
	*load
	plan   *plan
	http   *http.Client
	ctx    context.Context
	vanish context.CancelFunc // closes all connections at once
	nonce  string             // in the messages of the session
	id     string             // Mcp-Session-Id
	ledger *ledger
	echoes int

	answers sync.WaitGroup // to requests of the server
	streams sync.WaitGroup // standalone ones

	mu        sync.Mutex
	child     string      // guarded by mu; nonce of the process
	used      time.Time   // guarded by mu; when the newest request that was accepted began
	crashed   bool        // guarded by mu; the process may be another one, or none
	ended     bool        // guarded by mu; the session
	forked    bool        // guarded by mu; a process that the server has forked may hold its pipes
	listening int         // guarded by mu; standalone streams that are open
	failures  []time.Time // guarded by mu; when errors came while crashed
}

var (
	errVanished = errors.New("the client is gone")
	errGone     = errors.New("the session is gone")
)

// live runs the plan to its end.
func (l *load) live(ctx context.Context, p *plan) {
	c := &client{load: l, plan: p, nonce: rand.Text(), http: newHTTPClient(p.reset)}
	c.ctx, c.vanish = context.WithCancel(ctx)
	c.ledger = newLedger(c.nonce, l.mix.shared, c.violate)
	defer func() {
		c.vanish()
		c.answers.Wait()
		c.streams.Wait()
		c.http.CloseIdleConnections()
		l.stats.add("messages", c.ledger.messages())
	}()
	l.stats.count("client", p.kind)
	if p.kind == stranger {
		c.intrude()
		return
	}
	if !c.initialize() {
		return
	}
	if p.listen {
		c.listen("standalone stream")
	}
	err := c.run(p.rounds)
	if err == nil && p.crash {
		if err = c.recover(); err == nil {
			err = c.run(p.after)
		}
	}
	switch {
	case errors.Is(err, errVanished):
		c.ledger.excuseAll()
	case errors.Is(err, errGone):
		l.stats.count("ending", "session gone")
		c.finish()
	default:
		c.finish()
		c.leave()
	}
}

// leave ends the session, or not.
func (c *client) leave() {
	if !c.plan.delete {
		c.stats.count("ending", "abandoned")
		return
	}
	c.stats.count("ending", "deleted")
	c.end()
	c.delete()
	if out := c.echo(); out.kind != gotGone && out.kind != gotLeft && !c.load.ending.Load() {
		c.wrong(0, "404 after DELETE", out.String())
	}
}

// finish waits for what is still to come, and reports what does not.
func (c *client) finish() {
	for late := time.Now().Add(lateness); ; time.Sleep(5 * time.Millisecond) {
		missing := c.ledger.missing()
		if len(missing) == 0 || c.ctx.Err() != nil || c.load.ending.Load() {
			return
		}
		if time.Now().After(late) {
			for call, got := range missing {
				c.violate(badLost, call, "all messages", got)
			}
			return
		}
	}
}

// run makes the calls of each round.
func (c *client) run(rounds []round) error {
	for i, r := range rounds {
		if c.plan.relisten && i == 1 {
			c.listen("second standalone stream")
		}
		if err := c.round(r); err != nil {
			return err
		}
	}
	return nil
}

// round makes calls at the same time, and what is to follow once each of them
// has got its first message.
func (c *client) round(r round) error {
	defer c.measureCrash(r)
	if r.vanish > 0 {
		defer time.AfterFunc(time.Duration(r.vanish)*time.Millisecond, c.vanish).Stop()
	}
	var all, first sync.WaitGroup
	errs := make(chan error, len(r.calls)+1)
	for _, p := range r.calls {
		first.Add(1)
		all.Go(func() {
			signal := sync.OnceFunc(first.Done)
			defer signal()
			errs <- c.call(p, signal)
		})
	}
	if r.last != nil || r.delete {
		first.Wait()
	}
	if r.last != nil {
		errs <- c.call(r.last, func() {})
	}
	if r.delete {
		c.end()
		c.delete()
	}
	all.Wait()
	close(errs)
	if r.delete {
		c.stats.count("ending", "deleted in a call")
		return errVanished
	}
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// call makes one call and judges what comes of it.
func (c *client) call(p *callPlan, first func()) error {
	c.foresee(p.Script)
	c.stats.script(p.Script)
	c.ledger.open(p)
	begun := time.Now()
	out := c.exchange(p, first)
	c.touch(begun, out)
	if out.kind == gotResult && len(p.Script) == 0 && p.Pad < 1000 {
		c.stats.time(toEcho, time.Since(begun))
	}
	return c.judge(p, out)
}

// measureCrash notes how long after the crash each call in flight got its
// error. The time of the crash is the server's.
func (c *client) measureCrash(r round) {
	crash, ok := c.ledger.crashed()
	c.mu.Lock()
	defer c.mu.Unlock()
	what := afterCrash
	switch {
	case r.last != nil && r.last.Script.has(doCloseOut):
		what = afterClosing
	case c.forked:
		what = afterFork
	}
	for _, failed := range c.failures {
		if ok {
			c.stats.time(what, failed.Sub(crash))
		}
	}
	c.failures = nil
}

// recover finds out whether the session has survived. It returns errGone if
// it has not.
func (c *client) recover() error {
	before := c.process()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out := c.echo()
		switch {
		case out.kind == gotGone:
			c.end()
			return errGone
		case out.kind == gotLeft || c.load.ending.Load():
			return errVanished
		case out.kind == gotResult:
			c.stats.count("ending", "session survived a crash")
			c.checkProcess(0, out.m.tag())
			if c.process() == before {
				c.wrong(0, "another process after the crash", "the same")
			}
			c.mu.Lock()
			c.crashed = false
			c.mu.Unlock()
			return nil
		case time.Now().After(end):
			c.wrong(0, "the session to work again, or 404, after a crash", out.String())
			return errGone
		}
		c.stats.count("ending", "retried after a crash")
	}
}

// echo makes a call without a script, outside of the plan.
func (c *client) echo() outcome {
	c.echoes++
	number := 1_000_000 + c.echoes // what the plan does not use
	p := &callPlan{Number: number, ID: fmt.Sprint(number), want: wantSome}
	c.ledger.open(p)
	begun := time.Now()
	out := c.exchange(p, func() {})
	c.touch(begun, out)
	return out
}

// initialize starts a session as the lifecycle page of MCP says, and reports
// whether there is one to go on with.
func (c *client) initialize() bool {
	c.ledger.open(&callPlan{Number: 0, ID: "0"})
	for end := time.Now().Add(patience); ; {
		begun := time.Now()
		out := c.exchangeInitialize()
		c.touch(begun, out)
		if out.kind == gotBusy && time.Now().Before(end) && c.ctx.Err() == nil {
			c.stats.count("initialize", "503")
			pause(c.ctx, 50)
			continue
		}
		if out.kind == gotResult && c.plan.init == "" {
			c.stats.time(toInitialize, time.Since(begun))
		}
		return c.judgeInitialize(out) && c.notifyInitialized()
	}
}

func (c *client) notifyInitialized() bool {
	m := &message{Version: "2.0", Method: "notifications/initialized"}
	if err := c.post(m); err != nil {
		c.failed(0, "202 for notifications/initialized", err)
		return false
	}
	return true
}

// answer answers a request of the server with the request's own tag.
func (c *client) answer(m *message) {
	reply := &message{Version: "2.0", ID: m.ID}
	t := m.tag()
	if t == nil {
		reply.Error = &rpcError{-32601, "not a request of our server"}
	} else {
		mine := *t
		mine.By = c.nonce
		reply.Result = &result{Meta: meta{Torture: &mine}}
	}
	c.stats.count("answer", m.Method)
	c.answers.Go(func() {
		if err := c.post(reply); err != nil {
			c.failed(0, "202 for an answer to the server", err)
		}
	})
}

// cancel cancels a call.
func (c *client) cancel(p *callPlan) {
	m := &message{Version: "2.0", Method: "notifications/cancelled", Params: &params{RequestID: json.RawMessage(p.ID)}}
	if err := c.post(m); err != nil {
		c.failed(p.Number, "202 for a cancellation", err)
	}
}

// touch notes that the session was in use.
func (c *client) touch(begun time.Time, out outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if out.kind != gotGone && begun.After(c.used) {
		c.used = begun
	}
}

// end says that the session ends, so that nothing is missed that does not
// come any more.
func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// foresee notes what a script will do to the process. From then on it may end.
func (c *client) foresee(s script) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range s {
		switch st.Do {
		case doCrash, doCloseOut, doCloseIn:
			c.crashed = true
			c.load.crashed.Store(time.Now().UnixNano())
		case doFork:
			c.forked = c.forked || st.Hold
		}
	}
}

func (c *client) process() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.child
}
