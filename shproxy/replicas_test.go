// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

func identifyByHeader(r *http.Request) string { return r.Header.Get("X-User") }

// as is a client for whom the test says who he is.
func (c *client) as(user string) *client {
	c.header.Set("X-User", user)
	return c
}

func TestMaxCallerSessions(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{ModeSession, ModeShared} {
		_, url := newTestProxy(t, testserver.Good, &Options{Identify: identifyByHeader, MaxCallerSessions: 2, Mode: mode})
		open := func(user string) *http.Response {
			return (&client{t: t, url: url, header: http.Header{}}).as(user).post(initializeFrame)
		}
		first := open("ana")
		open("ana")
		c := &client{t: t, url: url, header: http.Header{}}
		if resp := open("ana"); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a third session: %s", resp.Status)
		}
		for _, other := range []string{"bob", "", "", ""} { // who is nobody is not limited
			if resp := open(other); resp.StatusCode != http.StatusOK {
				t.Errorf("a session of %q: %s", other, resp.Status)
			}
		}
		c.as("ana").session = first.Header.Get(headerSession)
		if resp := c.do(c.request(t.Context(), http.MethodDelete, "")); resp.StatusCode != http.StatusNoContent {
			t.Errorf("DELETE: %s", resp.Status)
		}
		if resp := open("ana"); resp.StatusCode != http.StatusOK {
			t.Errorf("after one has ended: %s", resp.Status)
		}
	}
	// What could not be started does not count.
	_, url := newTestProxy(t, testserver.Refusing, &Options{Identify: identifyByHeader, MaxCallerSessions: 1})
	for range 3 {
		c := (&client{t: t, url: url, header: http.Header{}}).as("ana")
		if resp := c.post(initializeFrame); resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s", resp.Status, c.body(resp))
		}
	}
}

func TestMaxCallerRate(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, &Options{Identify: identifyByHeader, MaxCallerRate: 1})
	burst := func(user string, call func(i int) *http.Response) {
		t.Helper()
		served := 0
		for i := range 30 {
			resp := call(i)
			if resp.StatusCode == http.StatusTooManyRequests {
				if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 || after > 10 {
					t.Errorf("%s: Retry-After: %q", user, resp.Header.Get("Retry-After"))
				}
				break
			}
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", user, resp.Status)
			}
			served++
		}
		if served < 9 || served == 30 {
			t.Errorf("%s: %d calls were served", user, served)
		}
	}
	for _, user := range []string{"ana", "bob"} {
		c := (&client{t: t, url: url, header: http.Header{}}).as(user)
		c.session = c.post(initializeFrame).Header.Get(headerSession)
		burst(user, func(i int) *http.Response { return c.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i)) })
		// Answers and notifications are not calls.
		if resp := c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); resp.StatusCode != http.StatusAccepted {
			t.Errorf("a notification: %s", resp.Status)
		}
	}
	m := modernClient(t, url).as("eve")
	burst("eve", func(i int) *http.Response {
		return m.modern(context.Background(), modernFrame(strconv.Itoa(i), "tools/list", "", ""))
	})
}

// A replica that is to end, and knows no other, refuses newcomers alone at first.
// Then sessions end as soon as they are quiet, and calls are answered.
func TestReplicaEnds(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	member, err := replica.New(replica.Options{Directory: new(replica.Memory), Key: bytes.Repeat([]byte("k"), replica.MinKey), Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close(context.Background())
	proxy, url := newTestProxy(t, testserver.Good, &Options{Replicas: member})
	quiet, busy := connect(t, url), connect(t, url)
	for _, c := range []*client{quiet, busy} {
		if !strings.HasPrefix(c.session, member.Name()+".") {
			t.Errorf("session %q is not named after %s", c.session, member.Name())
		}
	}
	events := busy.events(busy.tool("1", "ask", nil))
	question, err := jsonrpc.Scan([]byte(events.message()))
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := proxy.Retire(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Retire does not wait for sessions: %v", err)
	}
	if resp := (&client{t: t, url: url, header: http.Header{}}).post(initializeFrame); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a newcomer: %s", resp.Status)
	}
	if err := proxy.Ready(t.Context()); err == nil || proxy.Status().State != StateStopping {
		t.Errorf("it is %s and ready: %v", proxy.Status().State, err)
	}
	const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	quiet.want(quiet.post(ping), http.StatusOK, `{"jsonrpc":"2.0","id":2,"result":{}}`)
	busy.want(busy.post(ping), http.StatusOK, `{"jsonrpc":"2.0","id":2,"result":{}}`)

	drained := make(chan error, 1)
	go func() { drained <- proxy.Drain(t.Context()) }()
	for quiet.post(ping).StatusCode != http.StatusNotFound {
		time.Sleep(time.Millisecond) // between two questions
	}
	busy.wantError(busy.post(ping), http.StatusNotFound, "2", -32001, "initialize again")
	if resp := busy.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"x":1}}`, 1)); question.Kind != jsonrpc.Request || resp.StatusCode != http.StatusAccepted {
		t.Errorf("the answer to the question: %s", resp.Status)
	}
	if got, want := events.message(), textResult("1", `{"x":1}`); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
	if resp := busy.post(ping); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after the last call: %s", resp.Status)
	}
}
