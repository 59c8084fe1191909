// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary play the servers, as the command does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && isRole(os.Args[1]) {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestSmoke runs the whole benchmark, with few calls, on what needs only Go.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	var stdout, stderr bytes.Buffer
	args := []string{"-rounds", "1", "-duration", "5s", "-calls", "64", "-systems", strings.Join(ownNames(), ","), "-json"}
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr.String())
	}
	var res results
	if err := json.Unmarshal(stdout.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	if len(res.Systems) != 6 {
		t.Fatalf("%d systems, want 6", len(res.Systems))
	}
	for _, s := range res.Systems {
		if len(s.Rounds) != 1 {
			t.Errorf("%s: %d rounds, want 1", s.Title, len(s.Rounds))
		}
		for _, r := range s.Rounds {
			if r.Failure != "" || r.Left != 0 || r.StartMillis <= 0 {
				t.Errorf("%s: %+v", s.Title, r)
			}
			for _, l := range loads {
				if got := r.Loads[l.Key]; got.Rate <= 0 || got.Errors != 0 || got.P50Micros <= 0 || got.P99Micros < got.P50Micros {
					t.Errorf("%s: %s: %+v", s.Title, l.Title, got)
				}
			}
		}
	}
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var begin time.Time
	stderr := writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("1 at a time")) && begin.IsZero() {
			begin = time.Now()
			cancel() // the first measurement is done, more would take an hour
		}
		return len(b), nil
	})
	var stdout bytes.Buffer
	code := run(ctx, []string{"-rounds", "100", "-duration", "1m", "-calls", "1000", "-systems", "stdio,http"}, nil, &stdout, stderr)
	if code != exitFailure || stdout.Len() > 0 {
		t.Errorf("exit %d, printed %q", code, stdout.String())
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

// TestInterruptedLoad cancels in the middle of calls that would never end.
func TestInterruptedLoad(t *testing.T) {
	arrived := make(chan struct{})
	ts := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server notices the client leave
		close(arrived)
		<-r.Context().Done()
	}))
	defer ts.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	s := &httpSession{address: ts.Listener.Addr().String(), path: "/mcp"}
	lanes, err := s.lanes(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLanes(lanes)
	seen, _ := drive(ctx, lanes, &plan{firstID: firstCallID, limit: 10, times: 1, deadline: time.Now().Add(time.Hour)})
	if seen.errors != 1 || len(seen.latencies) != 0 {
		t.Errorf("got %+v", seen)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestWrongReplies shows that the generator does not count what is wrong.
func TestWrongReplies(t *testing.T) {
	respond := func(media string, edit func(string) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			frame, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", media)
			io.WriteString(w, edit(string(answer(nil, frame))))
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		right   int
		want    string
	}{
		{"right", respond(typeJSON, func(s string) string { return s }), 5, ""},
		{"right, in a stream", respond(typeEvents, func(s string) string { return "data: " + s + "\n\n" }), 5, ""},
		{"other id", respond(typeJSON, func(s string) string { return strings.Replace(s, `"id":1`, `"id":2`, 1) }), 0, "reply has id 2000001"},
		{"other text", respond(typeJSON, func(s string) string { return strings.ReplaceAll(s, "fox", "cat") }), 0, "does not echo"},
		{"stream without the reply", respond(typeEvents, func(string) string { return "data: {}\n\n" }), 0, "no event"},
		{"not found", http.NotFound, 0, "HTTP status 404"},
		{"closing", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			echoHTTP(w, r)
		}, 1, "closes the connection"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ts := httptest.NewServer(test.handler)
			defer ts.Close()
			s := &httpSession{address: ts.Listener.Addr().String(), path: "/mcp"}
			lanes, err := s.lanes(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer closeLanes(lanes)
			seen, _ := drive(t.Context(), lanes, &plan{firstID: firstCallID, limit: 5, times: 1, deadline: time.Now().Add(time.Minute)})
			if len(seen.latencies) != test.right {
				t.Errorf("%d right replies, want %d", len(seen.latencies), test.right)
			}
			if (test.want == "") != (seen.err == nil) || (seen.err != nil && !strings.Contains(seen.err.Error(), test.want)) {
				t.Errorf("got error %v, want %q", seen.err, test.want)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-nonsense", "flag provided but not defined: -nonsense"},
		{"-rounds 0", "-rounds 0: want 1 to 100"},
		{"-duration 2h", "-duration 2h0m0s: want more than 0 and at most 1m"},
		{"-calls -1", "-calls -1: want 0 or more"},
		{"-systems http,ftp", `-systems: unknown system "ftp", want some of stdio,http,shproxy,modern,to-legacy,to-modern,supergateway,mcp-proxy,original`},
		{"-forward-auth -systems http", `-systems: unknown system "http", want some of bare,oauthdyn,original,original-logs`},
		{"-forward-auth -shproxy x", "-shproxy: it has no part in -forward-auth, -auth-server and -command-line"},
		{"-auth-server -forward-auth", "-forward-auth, -auth-server, -command-line and -fetch: one of them at a time"},
		{"-auth-server -systems original", `-systems: unknown system "original", want some of bolt,redis,oidc-provider`},
		{"-shclient x", "-shclient: it has a part in -command-line and -fetch only"},
		{"-data x", "-fetchserver and -data: they have a part in -fetch only"},
		{"-command-line -systems shproxy", `-systems: unknown system "shproxy", want some of shclient,inspector,mcporter`},
		{"http://localhost/", `unexpected argument "http://localhost/": there are only flags, see -help`},
	}
	for _, test := range tests {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(test.args), nil, &stdout, &stderr); code != exitUsage {
			t.Errorf("%s: exit %d, want %d", test.args, code, exitUsage)
		}
		if got, want := stderr.String(), "bench: "+test.want+"\n"; got != want || stdout.Len() > 0 {
			t.Errorf("%s: got %q, want %q", test.args, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-rounds", "1", "-peers", t.TempDir(), "-systems", "supergateway,mcp-proxy,original"}
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	for _, title := range []string{"supergateway 4.0.0", "mcp-proxy 6.7.19", "mcp-streamablehttp-proxy 0.2.0 (the original)"} {
		if want := "| " + title + " | not installed: run with -install |"; !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}

	stderr.Reset()
	code := run(t.Context(), []string{"-systems", "shproxy", "-shproxy", "/no/such/file"}, nil, &stdout, &stderr)
	if want := "bench: -shproxy: stat /no/such/file: no such file or directory\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("exit %d, %q, want %q", code, stderr.String(), want)
	}
}
