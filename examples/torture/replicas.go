// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

const (
	legacy = "legacy"
	modern = "modern"

	modernEvery = 4 // one client of so many is modern
)

// What clients of a group count.
const (
	sawSessions    = "sessions"      // started
	sawSurvived    = "survived"      // sessions that ended as their client wished
	sawGone        = "gone"          // sessions that ended with their replica; their client started another
	sawModern      = "modern"        // answered calls of the modern era
	sawEvents      = "events"        // of sessions that survived: all that there were
	sawElsewhere   = "elsewhere"     // requests that came to another replica than the one they were for
	sawResumed     = "resumed"       // streams
	sawAsked       = "asked"         // questions that were answered on another connection
	sawParked      = "parked"        // calls that were retried with their requestState
	sawDeleted     = "deleted"       // sessions
	sawWithReplica = "with replica"  // calls that were lost with the replica that worked on them
	sawAtHop       = "at hop"        // calls that were cut since they went through a replica that was killed
	sawBusy        = "503"           // told to come back
	sawUnsure      = "unsure"        // requests that the client has left before the answer
	sawNext        = "next upstream" // the balancer found a replica away and asked the next
)

// A stage is a time under load in which something happens to the replicas.
type stage struct {
	*group
	name   string
	result *stageResult
	budget atomic.Int64 // calls still to be made
	busy   atomic.Bool  // what happens has not ended
	total  atomic.Int64 // calls that were answered

	mu   sync.Mutex
	seen map[string]int // guarded by mu
}

// A stageResult is what came of a stage.
type stageResult struct {
	Name    string         `json:"name"`
	Seconds float64        `json:"seconds"`
	Calls   int            `json:"calls"`
	Counts  map[string]int `json:"counts"`
	// Of the replicas, in stages that all of them live through.
	Forwarded int `json:"forwarded,omitempty"`
	Received  int `json:"received,omitempty"`
}

// groupResults are what the run found out.
type groupResults struct {
	Marker     string         `json:"marker"` // of its processes
	Seed       uint64         `json:"seed"`
	Seconds    float64        `json:"seconds"`
	Calls      int            `json:"calls"`
	Stages     []*stageResult `json:"stages"`
	Left       map[string]int `json:"processes_left"`
	Violations []violation    `json:"violations"`
	Counts     map[string]int `json:"violation_counts"`
}

func (s *stage) count(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[what] += n
}

func (s *stage) counted(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[what]
}

// more reports whether there is something to do for another call.
func (s *stage) more() bool {
	return s.ctx.Err() == nil && s.torture.total() < keptViolations && (s.budget.Load() > 0 || s.busy.Load())
}

// made notes that a call was answered.
func (s *stage) made() {
	s.budget.Add(-1)
	s.total.Add(1)
}

// A scene is what happens in a stage, of the share of the calls.
type scene struct {
	name  string
	share int
	act   func(g *group, long bool) error
	calm  bool // all replicas live through it, so their counters add up
}

// scenes are those in which something happens, in their order.
func scenes() []scene {
	quiet := func(*group, bool) error { return nil }
	return []scene{
		{"calm", 15, quiet, true},
		{"kill", 20, func(g *group, long bool) error {
			err := g.crash(0)
			for slot := 1; long && slot < groupSize && err == nil; slot++ {
				err = g.crash(slot)
			}
			return err
		}, false},
		{"redis", 15, func(g *group, long bool) error {
			g.killRedis()
			away := 1500
			if long {
				away = 7000 // longer than a lease
			}
			pause(g.ctx, away)
			if err := g.startRedis(); err != nil {
				return err
			}
			return g.acquainted()
		}, true},
		{"hang", 15, func(g *group, long bool) error {
			g.hang(1, maxHang/3)
			if long {
				g.hang(2, maxHang)
			}
			return nil
		}, true},
		{"roll", 25, func(g *group, long bool) error {
			err := g.roll(0)
			for slot := 1; long && slot < groupSize && err == nil; slot++ {
				err = g.roll(slot)
			}
			return err
		}, false},
		{"after", 10, quiet, true},
	}
}

func sceneNames() []string {
	var names []string
	for _, sc := range scenes() {
		names = append(names, sc.name)
	}
	return names
}

const longForm = 10_000 // calls, from which on everything happens for longer

// runGroup makes replicas and does everything to them.
func runGroup(ctx context.Context, opts *options, progress io.Writer) (*groupResults, error) {
	if !canSeeProcesses {
		return nil, errors.New("-replicas needs Linux")
	}
	for _, program := range []string{"nginx", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("-replicas needs %s: apt-get install nginx-light redis-server", program)
		}
	}
	var res *groupResults
	err := inTorture(ctx, opts, progress, func(t *torture, scratch string) (err error) {
		res, err = t.group(ctx, scratch)
		return err
	})
	return res, err
}

func (t *torture) group(ctx context.Context, scratch string) (*groupResults, error) {
	opts := t.opts
	g := &group{torture: t, ctx: ctx, scratch: scratch, drain: 2 * time.Second}
	if opts.calls >= longForm {
		g.drain = 4 * time.Second
	}
	begun := time.Now()
	res := &groupResults{Marker: t.marker, Seed: opts.seed}
	err := g.start()
	for _, sc := range scenes() {
		if opts.phases != nil && !slices.Contains(opts.phases, sc.name) {
			continue
		}
		if err != nil || ctx.Err() != nil || t.total() >= keptViolations {
			break
		}
		var r *stageResult
		r, err = g.stage(sc)
		res.Stages = append(res.Stages, r)
		res.Calls += r.Calls
	}
	g.close()
	g.checkRemains(res)
	if err != nil {
		return nil, err
	}
	res.Seconds = time.Since(begun).Seconds()
	t.mu.Lock()
	defer t.mu.Unlock()
	res.Violations, res.Counts = t.violations, t.counts
	return res, ctx.Err()
}

// stage lets clients loose while something happens.
func (g *group) stage(sc scene) (*stageResult, error) {
	calls := g.opts.calls * sc.share / 100
	s := &stage{group: g, name: sc.name, seen: make(map[string]int), result: &stageResult{Name: sc.name}}
	s.budget.Store(int64(calls))
	s.busy.Store(true)
	g.say("%s: %d calls", sc.name, calls)
	begun := time.Now()
	okBefore, _, receivedBefore, err := g.passedOn()
	if err != nil {
		return s.result, err
	}
	var visitors sync.WaitGroup
	for i := range g.opts.parallel {
		v := &visitor{
			stage: s, ctx: g.ctx, number: i + 1, era: legacy, http: newHTTPClient(false), token: aliceToken,
			dice: mathrand.New(mathrand.NewPCG(g.opts.seed, uint64(i))),
		}
		if i%2 == 1 {
			v.token = bobToken
		}
		visit := v.visitLegacy
		if i%modernEvery == modernEvery-1 {
			v.era, visit = modern, v.visitModern
		}
		visitors.Go(func() {
			visit()
			v.http.CloseIdleConnections()
		})
	}
	for s.total.Load() < int64(calls/5) && s.more() { // the load has begun
		pause(g.ctx, 20)
	}
	err = sc.act(g, g.opts.calls >= longForm)
	s.busy.Store(false)
	visitors.Wait()
	r := s.result
	r.Seconds, r.Calls, r.Counts = time.Since(begun).Seconds(), int(s.total.Load()), s.seen
	if err == nil && sc.calm {
		err = s.addUp(okBefore, receivedBefore)
	}
	return r, err
}

// addUp checks the counters of replicas that have lived through the stage.
// They count a request once its answer has ended.
func (s *stage) addUp(okBefore, receivedBefore int) error {
	want := s.counted(sawElsewhere)
	for end := time.Now().Add(settleTime); ; pause(s.ctx, 50) {
		ok, bad, received, err := s.passedOn()
		if err != nil {
			return err
		}
		s.result.Forwarded, s.result.Received = ok-okBefore, received-receivedBefore
		near := func(n int) bool { return n >= want && n <= want+s.counted(sawUnsure) }
		if near(s.result.Forwarded) && near(s.result.Received) && want > 0 {
			return nil
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if time.Now().After(end) {
			if s.counted(sawBusy) == 0 {
				s.report(violation{
					Kind: badLost, Phase: s.name, Want: fmt.Sprintf("%d requests passed on and received, as clients saw", want),
					Got: fmt.Sprintf("%d passed on, %d received, %d otherwise since the start", s.result.Forwarded, s.result.Received, bad),
				})
			}
			return nil
		}
	}
}

// checkRemains looks for what is left, and for alarms in what replicas wrote.
func (g *group) checkRemains(res *groupResults) {
	for end := time.Now().Add(orphanTime); len(marked(g.marker)) > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	left := marked(g.marker)
	if res.Left = tally(left); len(left) > 0 {
		g.report(violation{Kind: badLeak, Phase: "end", Want: "no process of replicas or servers", Got: words(res.Left)})
	}
	g.mu.Lock()
	all := slices.Clone(g.all)
	g.mu.Unlock()
	for _, inc := range all {
		for _, alarm := range inc.log.alarm() {
			g.report(violation{Kind: badAlarm, Phase: "end", Want: "no panic and no data race", Got: alarm})
		}
	}
}

func (r *groupResults) passed() bool { return len(r.Violations) == 0 }

func (r *groupResults) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func (r *groupResults) writeText(w io.Writer) error {
	columns := []string{
		sawSessions, sawSurvived, sawGone, sawModern, sawEvents, sawElsewhere, sawResumed, sawAsked, sawParked, sawDeleted,
		sawWithReplica, sawAtHop, sawBusy, sawNext,
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "stage\tseconds\tcalls\t")
	for _, c := range columns {
		fmt.Fprintf(table, "%s\t", c)
	}
	fmt.Fprint(table, "forwarded\treceived\t\n")
	for _, s := range r.Stages {
		fmt.Fprintf(table, "%s\t%.1f\t%d\t", s.Name, s.Seconds, s.Calls)
		for _, c := range columns {
			fmt.Fprintf(table, "%d\t", s.Counts[c])
		}
		fmt.Fprintf(table, "%d\t%d\t\n", s.Forwarded, s.Received)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "seed %d: %d calls in %.0f s; processes left: %s; lost, duplicated, reordered, misrouted or otherwise wrong: %s\n",
		r.Seed, r.Calls, r.Seconds, words(r.Left), words(r.Counts))
	for _, v := range r.Violations {
		if _, err := fmt.Fprintln(w, v); err != nil {
			return err
		}
	}
	return nil
}
