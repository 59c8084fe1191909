// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
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
