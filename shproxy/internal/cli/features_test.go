// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// These tests show that a flag arrives at the library; what it does there is
// tested there.

func TestSharedMode(t *testing.T) {
	c := start(t, "--mode", "shared", "--", "testserver", "good")
	if one, two := c.tool(c.url, c.open(c.url), "pid"), c.tool(c.url, c.open(c.url), "pid"); one != two {
		t.Errorf("two sessions have processes %s and %s", one, two)
	}
	c = start(t, "--", "testserver", "good")
	if one, two := c.tool(c.url, c.open(c.url), "pid"), c.tool(c.url, c.open(c.url), "pid"); one == two {
		t.Errorf("two sessions have the process %s", one)
	}
}

func TestWarm(t *testing.T) {
	c := start(t, "--warm", "2", "--", "testserver", "good")
	for c.health()["children"] != 2.0 {
	}
}

// Each caller's process knows who calls and gets what he has sent along.
func TestCallerEnvironment(t *testing.T) {
	tokens := write(t, t.TempDir(), "tokens", "alice="+aliceToken+"\nbob="+bobToken)
	c := start(t, "--token-file", tokens, "--header-env", "API_KEY=X-Api-Key", "--claim-env", "CALLER=sub", "-e", "API_KEY=none", "--", "envserver")
	for _, test := range []struct {
		header []string
		want   []string
	}{
		{[]string{"Authorization", "Bearer " + aliceToken, "X-Api-Key", "a"}, []string{"API_KEY=a", "CALLER=alice"}},
		{[]string{"Authorization", "Bearer " + bobToken, "X-Api-Key", "b"}, []string{"API_KEY=b", "CALLER=bob"}},
		{[]string{"Authorization", "Bearer " + bobToken}, []string{"API_KEY=none", "CALLER=bob"}},
	} {
		got := c.seen(c.url, test.header...).Env
		for _, want := range test.want {
			if !slices.Contains(got, want) {
				t.Errorf("%v: no %s", test.header, want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits need Linux")
	}
	c := start(t, "--limit-files", "123", "--limit-cpu", "77s", "--limit-memory", "1GiB", "--",
		"sh", "-c", `exec envserver "$(ulimit -n)" "$(ulimit -t)" "$(ulimit -d)"`)
	if got := c.seen(c.url).Args; !slices.Equal(got, []string{"123", "77", "1048576"}) {
		t.Errorf("the limits are %q", got)
	}
}

func TestRequestTimeout(t *testing.T) {
	c := start(t, "--request-timeout", "50ms", "--", "testserver", "good")
	resp, body := c.post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"wait"}}`, "Mcp-Session-Id", c.open(c.url))
	if !strings.Contains(body, `"error"`) {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestEndOnCrash(t *testing.T) {
	for _, test := range []struct {
		flags  []string
		status int
	}{{nil, 200}, {[]string{"--end-on-crash"}, 404}} {
		c := start(t, append(test.flags, "--", "testserver", "good")...)
		session := c.open(c.url)
		c.post(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"crash"}}`, "Mcp-Session-Id", session)
		if status := c.ping(c.url, session); status != test.status {
			t.Errorf("%v: %d after the crash, want %d", test.flags, status, test.status)
		}
	}
}

// With --legacy-sse clients of 2024-11-05 find the transport that they know.
func TestLegacySSE(t *testing.T) {
	c := start(t, "--ssePath", "/events", "--", "testserver", "good")
	c.logged(`flag=--ssePath here=--legacy-sse`)
	base := strings.TrimSuffix(c.url, "/mcp")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	data := func() string {
		t.Helper()
		for events.Scan() {
			if data, ok := strings.CutPrefix(events.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatalf("%s: no event", resp.Status)
		return ""
	}
	messages := data()
	if !strings.HasPrefix(messages, "/messages?") {
		t.Fatalf("messages go to %s", messages)
	}
	if resp, body := c.request("POST", base+messages, initialize); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %s", resp.Status, body)
	}
	if answer := data(); !strings.Contains(answer, `"serverInfo"`) {
		t.Errorf("initialize got %s", answer)
	}
}

// A signal leaves calls the time to end, and refuses others.
func TestDrain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
	c := start(t, "--drain-timeout", "1m", "--", "testserver", "good")
	session := c.open(c.url)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, strings.NewReader(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"ask"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Mcp-Session-Id", session)
	call, err := client.Do(r) // whose answer waits for one of ours
	if err != nil {
		t.Fatal(err)
	}
	defer call.Body.Close()
	c.signal(syscall.SIGTERM)
	c.logged("msg=stopping")
	for { // until the signal has its effect
		resp, body := c.post(initialize)
		if resp.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("a new session while calls end: %s %s", resp.Status, body)
		}
	}
	if resp, body := c.post(`{"jsonrpc":"2.0","id":1,"result":{"word":"heard"}}`, "Mcp-Session-Id", session); resp.StatusCode != http.StatusAccepted {
		t.Errorf("the answer for the server: %s %s", resp.Status, body)
	}
	if got, err := io.ReadAll(call.Body); err != nil || !strings.Contains(string(got), "heard") {
		t.Errorf("the call got %s, %v", got, err)
	}
	<-c.done
	_ = c.cmd.Wait()
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
