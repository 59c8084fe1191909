// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A short interval is for tests in which leases end; with a long one they do not,
// however busy the machine.
const (
	shortInterval = 20 * time.Millisecond
	longInterval  = 500 * time.Millisecond
)

var testKey = bytes.Repeat([]byte("k"), MinKey)

// faulty is a directory that can be away.
type faulty struct {
	Memory
	mu    sync.Mutex
	fails error // guarded by mu
	lists int   // guarded by mu
}

func (d *faulty) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = err
}

func (d *faulty) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fails
}

func (d *faulty) Put(ctx context.Context, name string, record []byte, lease time.Duration) error {
	return errors.Join(d.err(), d.Memory.Put(ctx, name, record, lease))
}

func (d *faulty) List(ctx context.Context) (map[string][]byte, error) {
	d.mu.Lock()
	d.lists++
	err := d.fails
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return d.Memory.List(ctx)
}

func (d *faulty) Share(ctx context.Context, name, key string, n, limit int) (bool, error) {
	if err := d.err(); err != nil {
		return false, err
	}
	return d.Memory.Share(ctx, name, key, n, limit)
}

func (d *faulty) Take(ctx context.Context, key string, n int, every time.Duration, burst int) (time.Duration, error) {
	if err := d.err(); err != nil {
		return 0, err
	}
	return d.Memory.Take(ctx, key, n, every, burst)
}

// tester is a member with what clients reach, which tells who has answered.
type tester struct {
	*Member
	t   *testing.T
	url string
	log *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// answering is the handler of the tests: the owner's name, what it got, and a
// status of 404 for sessions of others.
func answering(m *Member) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Answered-By", m.name)
		if name, named := owner(sessionOf(r)); named && name != m.name {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprintf(w, "%s %s %s %q", r.Method, r.Host, r.RequestURI, body)
	})
}

// join starts a member; h makes its handler, nil: answering.
func join(t *testing.T, d Directory, key []byte, h func(*Member) http.Handler) *tester {
	t.Helper()
	return joinAt(t, listen(t), longInterval, d, key, h)
}

// joinShortly is join with leases that end.
func joinShortly(t *testing.T, d Directory) *tester {
	t.Helper()
	return joinAt(t, listen(t), shortInterval, d, testKey, nil)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func joinAt(t *testing.T, listener net.Listener, interval time.Duration, d Directory, key []byte, h func(*Member) http.Handler) *tester {
	t.Helper()
	log := new(syncBuffer)
	m, err := New(Options{Directory: d, Key: key, Listener: listener, Interval: interval, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		h = answering
	}
	handler := m.Wrap(h(m))
	if err := m.Start(t.Context(), handler); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = m.Close(context.Background())
	})
	return &tester{m, t, server.URL, log}
}

// knows waits until the member knows so many others.
func (m *tester) knows(n int) {
	m.t.Helper()
	m.eventually(func() bool { return len(m.Status().Others) == n })
}

func (m *tester) eventually(is func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) { // between two questions
		if time.Now().After(deadline) {
			m.t.Fatalf("it does not become so; %+v\n%s", m.Status(), m.log)
		}
	}
}

// die ends a member as a crash would: nothing is removed from the directory.
func (m *tester) die() {
	m.stop()
	m.running.Wait()
	_ = m.server.Close()
	m.serving.Wait()
}

// send sends a request for a session and returns the status and the answer.
func (m *tester) send(session, body string, header ...string) (*http.Response, string) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.url+"/mcp?a=%zz&b;c", strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	r.Host = "mcp.example"
	if session != "" {
		r.Header.Set(headerSession, session)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return resp, string(text)
}

// wantStatus sends a request for a session and checks the status.
func (m *tester) wantStatus(session string, want int) {
	m.t.Helper()
	if resp, body := m.send(session, "{}"); resp.StatusCode != want {
		m.t.Errorf("%s: %s %s, want %d", session, resp.Status, body, want)
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a := join(t, d, testKey, nil)
	b := join(t, d, testKey, nil)
	// b is known to a as soon as somebody asks for it.
	for _, body := range []string{"", "{}", strings.Repeat("x", smallBody), strings.Repeat("y", 3*smallBody)} {
		for session, want := range map[string]*tester{a.name + ".1": a, b.name + ".1": b, "": a, "1.2": a} {
			resp, text := a.send(session, body)
			if got := resp.Header.Values("Answered-By"); len(got) != 1 || got[0] != want.name {
				t.Errorf("%q was answered by %s", session, got)
			}
			if want := fmt.Sprintf("POST mcp.example /mcp?a=%%zz&b;c %q", body); text != want {
				t.Errorf("got %.100s, want %.100s", text, want)
			}
		}
	}
	a.wantStatus(strings.Repeat("a", nameLength)+".1", http.StatusNotFound)
	_ = b.Close(t.Context())
	for range 2 {
		if resp, text := a.send(b.name+".1", "body"); resp.StatusCode != http.StatusNotFound || !strings.HasSuffix(text, `"body"`) {
			t.Errorf("%s %s", resp.Status, text)
		}
		if resp, text := a.send(b.name+".1", strings.Repeat("y", 3*smallBody)); resp.StatusCode != http.StatusNotFound || len(text) < 3*smallBody {
			t.Errorf("%s, %d bytes", resp.Status, len(text))
		}
	}
}

// Unknown names do not make every request ask the directory.
func TestUnknownNamesArePaced(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a := join(t, d, testKey, nil)
	const requests = 200
	start := time.Now()
	var all sync.WaitGroup
	for range requests {
		all.Go(func() { a.wantStatus(newName()+".1", http.StatusNotFound) })
	}
	all.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if most := int(time.Since(start)/pace+time.Since(start)/longInterval) + 10; d.lists > most {
		t.Errorf("%d looks into the directory", d.lists)
	}
}

func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := joinShortly(t, d), joinShortly(t, d)
	a.knows(1)
	b.die()
	a.knows(0)
	a.wantStatus(b.name+".1", http.StatusNotFound)
}

// One that does not renew its record, but is at its address, is only slow.
func TestSlowIsNotDead(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := joinShortly(t, d), joinShortly(t, d)
	a.knows(1)
	b.stop()
	b.running.Wait()
	a.knows(0)
	a.wantStatus(b.name+".1", http.StatusOK)
	if r := httptest.NewRequest(http.MethodPost, "/", nil); a.Pass(httptest.NewRecorder(), r, "", nil) {
		t.Error("it gets newcomers")
	}
}

func TestDirectoryAway(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b, c := joinShortly(t, d), joinShortly(t, d), joinShortly(t, d)
	a.knows(2)
	d.fail(errors.New("away"))
	a.eventually(func() bool { return a.Status().Directory == "away" })
	time.Sleep(2 * leases * shortInterval) // the leases end, which must not matter
	a.wantStatus(b.name+".1", http.StatusOK)
	c.die()
	for range 2 {
		a.wantStatus(c.name+".1", http.StatusNotFound)
	}
	a.wantStatus(newName()+".1", http.StatusNotFound)
	a.knows(1)
	if a.Status().DirectoryErrors == 0 {
		t.Error("the errors are not counted")
	}
	if n := strings.Count(a.log.String(), "the directory does not answer"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	d.fail(nil)
	a.eventually(func() bool { return a.Status().Directory == "" })
	a.wantStatus(b.name+".1", http.StatusOK)
	listener := listen(t)
	d.fail(errors.New("away"))
	m, err := New(Options{Directory: d, Key: testKey, Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context(), http.NotFoundHandler()); err == nil {
		t.Error("a replica starts without its directory")
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Nobody is taken for dead because the directory was away.
func TestSilenceOfTheDirectory(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	a.knows(1)
	a.stop()
	a.running.Wait()
	a.mu.Lock()
	a.away, a.peers[b.name].seen = errors.New("away"), time.Now().Add(-time.Hour)
	a.mu.Unlock()
	a.update(nil) // as if nobody had told anything yet since it is back
	if len(a.Status().Others) != 1 {
		t.Errorf("%+v", a.Status())
	}
}

// A directory that has lost everything has no dead replicas in it.
func TestDirectoryForgets(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	a.knows(1)
	for range 2 {
		if !a.Enter(t.Context(), "x", 2) {
			t.Fatal("nothing fits")
		}
	}
	d.Memory.mu.Lock()
	d.records, d.shared = nil, nil
	d.Memory.mu.Unlock()
	for range 20 {
		a.wantStatus(b.name+".1", http.StatusOK)
	}
	a.knows(1)
	a.eventually(func() bool {
		d.Memory.mu.Lock()
		defer d.Memory.mu.Unlock()
		return d.shared[a.keys.hide("x")][a.name] == 2
	})
	if b.Enter(t.Context(), "x", 2) {
		t.Error("what was counted is forgotten")
	}
}

func TestEnter(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	enter := func(m *tester, limit int, want bool) {
		t.Helper()
		if got := m.Enter(t.Context(), "alice", limit); got != want {
			t.Errorf("Enter: %v", got)
		}
	}
	enter(a, 3, true)
	enter(b, 3, true)
	enter(b, 3, true)
	enter(a, 3, false)
	enter(b, 3, false)
	b.Leave("alice")
	a.eventually(func() bool { return a.Enter(t.Context(), "alice", 3) })
	enter(b, 3, false)
	// Without the directory each counts for itself, and tells it later.
	d.fail(errors.New("away"))
	enter(b, 3, true)
	enter(b, 3, true)
	enter(b, 3, false)
	d.fail(nil)
	b.eventually(func() bool { return b.Status().Directory == "" })
	a.eventually(func() bool {
		d.Memory.mu.Lock()
		defer d.Memory.mu.Unlock()
		return d.shared[b.keys.hide("alice")][b.name] == 3
	})
	enter(a, 5, false)
	enter(a, 6, true)
	for key := range d.shared {
		if strings.Contains(key, "alice") {
			t.Errorf("the directory is told who it is: %q", key)
		}
	}
	// The dead have nothing.
	b.die()
	a.eventually(func() bool { return a.Enter(t.Context(), "alice", 4) })
}

func TestTake(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	a, b := join(t, d, testKey, nil), join(t, d, testKey, nil)
	const burst = 3
	take := func(m *tester, want bool) {
		t.Helper()
		if wait := m.Take(t.Context(), "alice", 1, time.Hour, burst); (wait == 0) != want {
			t.Errorf("wait %v", wait)
		}
	}
	take(a, true)
	take(b, true)
	take(a, true)
	take(a, false)
	take(b, false)
	d.fail(errors.New("away"))
	for range burst { // each for itself
		take(a, true)
		take(b, true)
	}
	take(a, false)
	take(b, false)
	d.fail(nil)
	a.eventually(func() bool { return a.Status().Directory == "" })
	take(a, false)
}

func TestNewcomers(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	full := func(m *Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "full", http.StatusServiceUnavailable) })
	}
	a := join(t, d, testKey, func(m *Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Header.Del("Authorization") // as what checks tokens does
			w.Header().Set("Outer", "a")
			if !m.Pass(w, r, "", body) {
				http.Error(w, "nobody", http.StatusTeapot)
			}
		})
	})
	if resp, body := a.send("", "{}"); resp.StatusCode != http.StatusTeapot || resp.Header.Get("Outer") != "a" {
		t.Errorf("alone: %s %s", resp.Status, body)
	}
	join(t, d, testKey, full)
	a.knows(1)
	if resp, body := a.send("", "{}"); resp.StatusCode != http.StatusTeapot || resp.Header.Get("Outer") != "a" {
		t.Errorf("the other is full: %s %s", resp.Status, body)
	}
	c := join(t, d, testKey, func(m *Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if m.Pass(httptest.NewRecorder(), r, "", nil) {
				t.Error("a request is passed on twice")
			}
			fmt.Fprint(w, r.Header.Get("Authorization"), " ", string(body))
		})
	})
	a.knows(2)
	for range 10 {
		resp, body := a.send("", "{}", "Authorization", "Bearer x")
		if resp.StatusCode != http.StatusOK || body != "Bearer x {}" || resp.Header.Get("Outer") != "" {
			t.Errorf("%s %s", resp.Status, body)
		}
	}
	c.Retire(t.Context())
	a.eventually(func() bool {
		resp, _ := a.send("", "{}")
		return resp.StatusCode == http.StatusTeapot
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	defer listener.Close()
	good := Options{Directory: new(Memory), Key: testKey, Listener: listener}
	for name, change := range map[string]func(*Options){
		"no directory": func(o *Options) { o.Directory = nil }, "no listener": func(o *Options) { o.Listener = nil },
		"short key": func(o *Options) { o.Key = o.Key[1:] }, "negative": func(o *Options) { o.Interval = -1 },
		"no port": func(o *Options) { o.Address = "host" }, "port 0": func(o *Options) { o.Address = "host:0" },
		"no host": func(o *Options) { o.Address = ":1" }, "any host": func(o *Options) { o.Address = "[::]:1" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: New takes it", name)
		}
	}
}
