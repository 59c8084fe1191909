// SPDX-License-Identifier: Apache-2.0

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// A cast says who meets whom in a scene.
type cast struct {
	name    string
	program era
	server  string // its kind
	login   bool   // the server wants tokens
}

// resumes reports whether the answer to a call arrives although its stream was
// cut.
func (c cast) resumes() bool { return c.server == kindLegacy }

// A scene is one bridge, with all that it needs around.
type scene struct {
	cast
	t       testing.TB
	dice    *rand.Rand // for one goroutine
	callers int        // who make calls all the time, and as many that wait for something
	*program
	server  *backend
	relay   *relay
	auth    *oauthdyntest.Server // nil: none
	log     string               // of the server
	windows string               // of the browser
	shown   int                  // how many windows there must be
	seed    uint64
	begun   time.Time
	notes   []string

	slowest     time.Duration
	slowestName string
	jobs        struct {
		sync.Mutex
		n int
	}
}

const tokenLife = 3 * time.Second

// newScene starts everything, and opens the session.
func newScene(t testing.TB, c cast, callers int, seed uint64) *scene {
	t.Helper()
	dir := t.TempDir()
	s := &scene{
		cast: c, t: t, callers: callers, dice: rand.New(rand.NewPCG(seed, 0)), seed: seed, begun: time.Now(),
		log: filepath.Join(dir, "server.log"), windows: filepath.Join(dir, "windows.log"),
	}
	front, back := address(t), address(t)
	o := orders{Kind: c.server, Address: back, Resource: "http://" + front + "/mcp", Log: s.log}
	if c.login {
		s.auth = oauthdyntest.New(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
			o.AccessTokenTTL = tokenLife
			o.Resources = append(o.Resources, authserver.Resource{URI: "http://" + front + "/mcp", Name: "Tortured server"})
		}})
		o.Issuer = s.auth.Issuer
		s.shown = 1
	}
	s.server = newBackend(t, o)
	s.relay = newRelay(t, front, back)
	s.program = startBridge(t, c.program, []string{
		"XDG_CONFIG_HOME=" + dir, "GORACE=halt_on_error=1 atexit_sleep_ms=0",
		"BROWSER=" + self(t) + " " + roleBrowser + " " + s.windows,
	}, o.Resource)
	if m := s.hello(); m == nil || m.Error != nil {
		s.t.Fatalf("the session does not open: %+v", m)
	}
	s.settleDown(0) // on a slow machine a call may overtake the handshake
	return s
}

// settleDown makes calls until one succeeds. tries are how many may fail; 0 is
// any number.
func (s *scene) settleDown(tries int) {
	for n, end := 1, time.Now().Add(patience); ; n++ {
		m := s.do(0)
		switch {
		case m == nil || m.Error == nil:
			return
		case n == tries || time.Now().After(end):
			s.violate("call after call fails: %s", m.Error.Message)
			return
		}
	}
}

// address is one on the loopback interface that nobody else is likely to take
// while nobody listens there.
func address(t testing.TB) string {
	t.Helper()
	for range 100 {
		host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
		port := 20_000 + rand.IntN(12_000) // below those that systems give to whoever asks for any
		for _, address := range []string{fmt.Sprintf("%s:%d", host, port), fmt.Sprintf("127.0.0.1:%d", port)} {
			if listener, err := listenOnce(address); err == nil {
				listener.Close()
				return address
			}
		}
	}
	t.Fatal("no free address")
	return ""
}

// job makes up something that the server can do.
func (s *scene) job(kind int) job {
	s.jobs.Lock()
	s.jobs.n++
	j := job{Nonce: fmt.Sprint("job-", s.jobs.n)}
	s.jobs.Unlock()
	switch kind % 6 {
	case 1:
		j.Steps = 3
	case 2:
		j.Ask, j.Steps = askUser, 1
	case 3:
		j.Ask = askModel
	case 4:
		j.Size = 20_000
	case 5:
		j.Pad = padding(j.Nonce, 10_000)
	}
	return j
}

// do makes a call, and sees it through.
func (s *scene) do(kind int) *message { return s.finish(s.start(s.job(kind), false)) }

// roam makes all kinds of calls at the same time until the result is called.
// Unless there may be errors, each is a violation.
func (s *scene) roam(errors bool) (stop func()) {
	done := make(chan struct{})
	var callers sync.WaitGroup
	for caller := range s.callers {
		callers.Go(func() {
			for kind := caller; ; kind++ {
				select {
				case <-done:
					return
				default:
				}
				switch m := s.do(kind); {
				case m == nil:
					return
				case m.Error != nil && !errors:
					s.violate("a call failed though it must not: %s", m.Error.Message)
					return
				case m.Error != nil:
					s.count("failed: " + reason(m.Error.Message))
					time.Sleep(5 * time.Millisecond) // as any program would
				}
			}
		})
	}
	return func() {
		close(done)
		callers.Wait()
	}
}

// calm makes calls of all kinds at the same time, none of which may fail.
func (s *scene) calm(after string) {
	if s.cast.server == kindOld {
		// Until the bridge has noticed that a stream has ended, the server may
		// take a call to which it can say nothing any more.
		s.settleDown(0)
	}
	var callers sync.WaitGroup
	for caller := range s.callers {
		callers.Go(func() {
			if m := s.do(caller); m != nil && m.Error != nil {
				s.violate("after %s a call of kind %d failed: %s", after, caller%6, m.Error.Message)
			}
		})
	}
	callers.Wait()
}

// reason is an error without what differs each time.
func reason(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}

// lines reads a log.
func (s *scene) lines(name string) []string {
	s.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var lines []string
	for line := range bytes.Lines(text) {
		lines = append(lines, strings.TrimSpace(string(line)))
	}
	return lines
}

// awaitLog waits until the server has written down that all jobs are executed,
// or cancelled.
func (s *scene) awaitLog(what string, calls []*call) {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		have := map[string]bool{}
		for _, line := range s.lines(s.log) {
			if words := strings.Fields(line); words[0] == what {
				have[words[1]] = true
			}
		}
		missing := ""
		for _, c := range calls {
			if !have[c.job.Nonce] {
				missing = c.job.Nonce
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			s.violate("%s was not %s within %s", missing, what, patience)
			return
		}
	}
}

// audit compares what the program saw with what the server did.
func (s *scene) audit() {
	executed := map[string]int{}
	for _, line := range s.lines(s.log) {
		executed[line]++
		if executed[line] == 2 && strings.HasPrefix(line, "executed ") {
			s.violate("the server has %s twice", line)
		}
	}
	if got := len(s.lines(s.windows)); got != s.shown {
		s.violate("%d browser windows, want %d", got, s.shown)
	}
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for nonce := range s.ledger.jobs {
		if executed["executed "+nonce+" first"] == 0 {
			s.violated("%s has a result, but was not executed", nonce)
		}
	}
	for _, c := range s.calls {
		if c.answer == nil && !c.cancelled {
			s.violated("no answer for %.200s", c.line)
		}
	}
}

// note remembers something for the summary.
func (s *scene) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}
