// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
)

// A file is one that can fail.
type file struct {
	mu     sync.Mutex
	text   bytes.Buffer
	room   int // bytes that can still be written; negative: any number
	closed bool
}

var errFull = errors.New("no space left")

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.room >= 0 && len(p) > f.room {
		n, _ := f.text.Write(p[:f.room])
		f.room = 0
		return n, errFull
	}
	f.text.Write(p)
	if f.room >= 0 {
		f.room -= len(p)
	}
	return len(p), nil
}

func (f *file) Close() error { f.closed = true; return nil }

func (f *file) setRoom(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room = n
}

// events returns the lines that can be read.
func (f *file) events(t *testing.T) (events []audit.Event, broken int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.Lines(f.text.String()) {
		var e audit.Event
		if json.Unmarshal([]byte(line), &e) != nil {
			broken++
			continue
		}
		events = append(events, e)
	}
	return events, broken
}

func open(f *file) func() (io.WriteCloser, error) {
	return func() (io.WriteCloser, error) { return f, nil }
}

func event(n int) audit.Event {
	return audit.Event{Time: time.Now(), Kind: audit.Token, Outcome: audit.Success, Subject: fmt.Sprint("person ", n)}
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := audit.OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var many sync.WaitGroup
	for g := range 8 {
		many.Go(func() {
			for n := range 100 {
				l.Record(context.Background(), event(1000*g+n))
			}
		})
	}
	many.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var e audit.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || seen[e.Subject] {
			t.Fatalf("%q: %v", line, err)
		}
		seen[e.Subject] = true
	}
	if len(seen) != 800 {
		t.Errorf("%d events", len(seen))
	}
	l.Record(context.Background(), event(0))
	if l.LostEvents() != 1 {
		t.Error("an event after the end is not counted as lost")
	}
	if err := l.Reopen(); err == nil {
		t.Error("reopened after the end")
	}
}

// The JSON is what other programs read.
func TestEventJSON(t *testing.T) {
	f := &file{room: -1}
	l, err := audit.NewLog(open(f), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Record(context.Background(), audit.Event{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600)), Kind: audit.Revoke, Outcome: audit.Failure, By: audit.ByClient,
		Address: "192.0.2.1", ClientID: "client_1", Subject: "local:al\nice", Resources: []string{"https://r.example/mcp"}, Scopes: []string{"a", "b"},
		GrantType: "authorization_code", Grant: "sid", Error: "invalid_grant", Reason: strings.Repeat("x", 513) + "\xff", Count: 2,
	})
	l.Record(context.Background(), audit.Event{Kind: audit.Code, Outcome: audit.Success})
	if err := l.Close(); err != nil || !f.closed {
		t.Fatal(err, f.closed)
	}
	want := `{"time":"2026-01-02T02:04:05.000006Z","event":"revoke","outcome":"failure","by":"client","address":"192.0.2.1","client_id":"client_1",` +
		`"subject":"local:al\nice","resources":["https://r.example/mcp"],"scopes":["a","b"],"grant_type":"authorization_code","grant":"sid",` +
		`"error":"invalid_grant","reason":"` + strings.Repeat("x", 512) + `","count":2}` + "\n" +
		`{"time":"0001-01-01T00:00:00Z","event":"code","outcome":"success"}` + "\n"
	if got := f.text.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A renamed file is left for a new one, and nothing is lost on the way.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	l, err := audit.OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		t.Skip("files that are open cannot be renamed")
	}
	total := 0
	for i := range 3 {
		for range 10 {
			l.Record(context.Background(), event(total))
			total++
		}
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	l.Record(context.Background(), event(total))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	lines := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += bytes.Count(data, []byte("\n"))
	}
	if lines != total+1 {
		t.Errorf("%d lines, want %d", lines, total+1)
	}
}

func TestReopenFails(t *testing.T) {
	f := &file{room: -1}
	var problem error
	l, err := audit.NewLog(func() (io.WriteCloser, error) { return f, problem }, nil)
	if err != nil {
		t.Fatal(err)
	}
	problem = errors.New("permission denied")
	if err := l.Reopen(); !errors.Is(err, problem) {
		t.Error(err)
	}
	l.Record(context.Background(), event(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if events, _ := f.events(t); len(events) != 1 {
		t.Errorf("%v", events)
	}
	if _, err := audit.NewLog(func() (io.WriteCloser, error) { return nil, problem }, nil); !errors.Is(err, problem) {
		t.Error(err)
	}
}

// A full disk stalls nobody, is told of at once, and costs nothing if it does
// not last.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		f := &file{room: 100} // in the middle of a line
		l, err := audit.NewLog(open(f), slog.New(slog.NewTextHandler(&told, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for n := range 1000 {
			l.Record(t.Context(), event(n))
		}
		synctest.Wait()
		if got := told.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, errFull.Error()) {
			t.Errorf("told: %s", got)
		}
		time.Sleep(time.Minute)
		f.setRoom(-1)
		time.Sleep(time.Minute)
		synctest.Wait()
		events, broken := f.events(t)
		if len(events) != 1000 || broken != 1 {
			t.Errorf("%d events, %d broken lines", len(events), broken)
		}
		for n, e := range events {
			if e.Subject != fmt.Sprint("person ", n) {
				t.Fatalf("event %d is of %s", n, e.Subject)
			}
		}
		if !strings.Contains(told.String(), "can be written again") || l.LostEvents() != 0 {
			t.Errorf("told: %s", &told)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What is lost is told by the logger, the log and the end.
func TestLostEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		f := &file{room: 0}
		l, err := audit.NewLog(open(f), slog.New(slog.NewTextHandler(&told, nil)))
		if err != nil {
			t.Fatal(err)
		}
		l.Record(t.Context(), event(0))
		synctest.Wait() // it is in the writer's hands, and fails
		const queue, more = 8192, 10
		for n := range queue + more {
			l.Record(t.Context(), event(n+1))
		}
		if l.LostEvents() != more || !strings.Contains(told.String(), "audit events are lost") {
			t.Errorf("lost %d; told: %s", l.LostEvents(), &told)
		}
		f.setRoom(-1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		events, _ := f.events(t)
		lost, others := 0, 0
		for _, e := range events {
			if e.Kind == audit.Lost {
				lost += e.Count
			} else {
				others++
			}
		}
		if lost != more || others != queue+1 {
			t.Errorf("%d events, %d lost", others, lost)
		}
		f.setRoom(0)
		l.Record(t.Context(), event(1))
		l.Record(t.Context(), event(2))
		if err := l.Close(); !errors.Is(err, errFull) || !strings.Contains(err.Error(), "2 events were not written") {
			t.Errorf("closed: %v", err)
		}
	})
}
