// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// Five failures in a row make a server count as failed. After a rest, which
// grows with each further failure, it is tried again.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker{server: "s"}
		for i := range loop - 1 {
			b.failed("", errTest)
			if err := b.check(""); err != nil {
				t.Fatalf("after %d failures: %v", i+1, err)
			}
		}
		for i, rest := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			b.failed("", errTest)
			err := b.check("")
			failed, ok := errors.AsType[*FailedError](err)
			if !ok || failed.Server != "s" || failed.Times != loop+i || failed.Retry != rest*time.Second || !errors.Is(err, errTest) {
				t.Fatalf("after %d failures: %+v", loop+i, err)
			}
			time.Sleep(rest*time.Second - time.Nanosecond)
			if b.check("") == nil {
				t.Fatalf("after %d failures it is tried early", loop+i)
			}
			time.Sleep(time.Nanosecond)
			if err := b.check(""); err != nil { // half open
				t.Fatalf("after %d failures and a rest: %v", loop+i, err)
			}
		}
		for range 1000 {
			b.failed("", errTest)
		}
		if failed, _ := errors.AsType[*FailedError](b.check("")); failed.Retry != 30*time.Second {
			t.Errorf("the rest is %v", failed.Retry)
		}
		b.worked()
		if err := b.check(""); err != nil {
			t.Errorf("after a success: %v", err)
		}
		if times, last := b.state(); times != 0 || last != nil {
			t.Errorf("after a success: %d, %v", times, last)
		}
		b.failed("", errTest)
		if err := b.check(""); err != nil {
			t.Errorf("one failure after a success: %v", err)
		}
	})
}

// What one principal alone fails keeps nobody else from starting the server,
// however often; what others fail as well does.
func TestBreakerOfPrincipals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker{server: "s"}
		refused := func(want string) {
			t.Helper()
			var got strings.Builder
			for _, principal := range []string{"a", "b", "c", ""} {
				if b.check(principal) != nil {
					got.WriteString(principal + ",")
				}
			}
			if got.String() != want {
				t.Fatalf("refused are %s want %s", got.String(), want)
			}
		}
		fail := func(principal string, times int) {
			for range times {
				b.failed(principal, errTest)
			}
		}
		fail("a", loop-1)
		refused("")
		fail("a", 1)
		refused("a,")
		if times, last := b.state(); times != loop || last != errTest {
			t.Errorf("%d, %v", times, last)
		}
		fail("a", 100)
		fail("b", loop-1)
		refused("a,")
		fail("b", 1) // which may be everybody's fault
		refused("a,b,c,,")
		time.Sleep(firstRest)
		refused("a,")
		time.Sleep(longestRest)
		refused("")
		fail("a", 1) // he does not prolong it for others
		refused("a,")
		fail("c", 1)
		refused("a,b,c,,")
		b.worked()
		refused("")

		fail("b", 1)
		fail("a", 100) // whoever failed first
		fail("c", loop-2)
		refused("a,")
		fail("", 1) // what the proxy itself fails counts
		refused("a,b,c,,")
		b.worked()

		for i := range 2 * maxCulprits {
			fail(strconv.Itoa(i), 1)
		}
		if len(b.each) != maxCulprits {
			t.Errorf("%d principals", len(b.each))
		}
	})
}

// restLong prolongs the rests of a server that failed, which a slow machine
// could sleep through.
func restLong(m *Manager) {
	m.breaker.mu.Lock()
	defer m.breaker.mu.Unlock()
	long := func(f *failures) {
		if !f.until.IsZero() {
			f.until = time.Now().Add(time.Hour)
		}
	}
	long(&m.breaker.all)
	for _, f := range m.breaker.each {
		long(f)
	}
}

// One whose words end the server at once keeps himself from starting it, and
// nobody else. A server that ends at once whoever starts it is started for
// nobody.
func TestFailuresOfOnePrincipal(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	crash := func(principal string) {
		t.Helper()
		s, err := m.Start(t.Context(), principal, nil)
		if err != nil {
			t.Fatal(err)
		}
		child := stage.Next()
		c := call(t, s, initFrame)
		defer c.leave()
		child.Hears()
		child.Exit(7)
		c.crashError()
		eventually(t, "the session ends", func() bool { return s.Cause() != nil })
	}
	refused := func(principal string) bool {
		s, err := m.Start(t.Context(), principal, nil)
		if err == nil {
			stage.Next()
			s.End(ErrDeleted)
		}
		_, failed := errors.AsType[*FailedError](err)
		return failed
	}
	for range loop {
		crash("mallory")
	}
	restLong(m)
	if !refused("mallory") {
		t.Error("mallory is not refused")
	}
	if refused("alice") || refused("") {
		t.Error("others are refused")
	}
	for range loop {
		crash("alice")
	}
	restLong(m)
	if !refused("alice") || !refused("bob") || !refused("") {
		t.Error("the server is started again and again")
	}
}

// A server that ends again and again before it says anything is not started
// any more, and everybody learns why at once.
func TestServerThatFails(t *testing.T) {
	t.Parallel()
	m := newTestManager(t, testConfig(t, testserver.Env+"="+testserver.Exit))
	for range loop {
		if s, err := m.Start(t.Context(), "", nil); err == nil {
			eventually(t, "the session ends", func() bool { return s.Cause() != nil })
		}
	}
	restLong(m)
	_, err := m.Start(t.Context(), "", nil)
	failed, ok := errors.AsType[*FailedError](err)
	if !ok || failed.Times != loop || !strings.Contains(err.Error(), `server "test" failed to start 5 times in a row`) || !strings.Contains(err.Error(), "error: no configuration") {
		t.Fatalf("err = %v", err)
	}
	if _, err := m.Call(Caller{}, []byte(request("1", "x")), scan(t, request("1", "x")), noEdit, true); !errors.Is(err, failed.Last) {
		t.Errorf("a modern call: %v", err)
	}
	if err := m.Ping(t.Context()); !errors.Is(err, failed.Last) {
		t.Errorf("Ping: %v", err)
	}
	stats := m.Stats()
	if stats.Started != loop || stats.Crashed != loop || stats.Failures != loop || stats.Resting == nil || stats.Last == nil || stats.Sessions != 0 {
		t.Errorf("%+v", stats)
	}
	m.breaker.mu.Lock()
	m.breaker.all.until = time.Now()
	m.breaker.mu.Unlock()
	if _, err := m.Start(t.Context(), "", nil); errors.As(err, &failed) {
		t.Errorf("after the rest it was not tried again: %v", err)
	}
}

// So does one that cannot be run at all.
func TestServerThatCannotBeRun(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.Child.Path = t.TempDir()
	m := newTestManager(t, cfg)
	for i := range loop {
		_, err := m.Start(t.Context(), "", nil)
		if err == nil || !strings.Contains(err.Error(), `server "test" could not be started`) {
			t.Fatalf("start %d: %v", i, err)
		}
	}
	restLong(m)
	if _, err := m.Start(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "5 times in a row") {
		t.Errorf("err = %v", err)
	}
	if stats := m.Stats(); stats.Failed != loop || stats.Started != 0 {
		t.Errorf("%+v", stats)
	}
}

// A server that says something before it ends works, as far as one can tell;
// and credentials of one caller that do not work are not the server's fault.
func TestFailuresThatDoNotCount(t *testing.T) {
	t.Parallel()
	m, stage := newStage(t, nil)
	for i := range 2 * loop {
		env := []string{"TOKEN=wrong"}
		if i%2 == 0 {
			env = nil
		}
		s, err := m.Start(t.Context(), "", env)
		if err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
		child := stage.Next()
		if env == nil {
			r := listen(t, s)
			child.Says(plainNote(1))
			r.want(plainNote(1))
			r.leave()
		}
		child.Exit(1)
		eventually(t, "the session ends", func() bool { return s.Cause() != nil })
	}
	if stats := m.Stats(); stats.Failures != 0 || stats.Crashed != 2*loop {
		t.Errorf("%+v", stats)
	}
}
