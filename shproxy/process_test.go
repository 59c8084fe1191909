// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A server that ends in a call is no riddle to its clients.
func TestCrash(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c, bystander := connect(t, url), connect(t, url)
	var waiting sync.WaitGroup
	for i := range 5 {
		waiting.Go(func() {
			c.wantError(c.tool(fmt.Sprint(100+i), "wait", nil), 200, fmt.Sprint(100+i), -32603, "exit status 1")
		})
	}
	for proxy.sessions.Stats().Calls < 5 {
		time.Sleep(time.Millisecond)
	}
	c.wantError(c.tool("1", "crash", nil), 200, "1", -32603, `server "good" ended (exit status 1); its last words: error: boom`)
	waiting.Wait()
	c.want(c.tool("2", "echo", map[string]any{"text": "again"}), 200, textResult("2", "again"))
	bystander.want(bystander.tool("1", "echo", map[string]any{"text": "x"}), 200, textResult("1", "x"))
	if s := proxy.Status(); s.Crashed != 1 || s.Restarted != 1 || s.Sessions != 2 {
		t.Errorf("%d crashed, %d restarted, %d sessions", s.Crashed, s.Restarted, s.Sessions)
	}
}

// With EndOnCrash the session ends with its server.
func TestEndOnCrash(t *testing.T) {
	_, url := newTestProxy(t, testserver.Good, &Options{EndOnCrash: true})
	c := connect(t, url)
	get := c.listen(t.Context())
	c.wantError(c.tool("1", "crash", nil), 200, "1", -32603, `server "good" ended (exit status 1); its last words: error: boom`)
	if got := get.next(); got != "EOF" {
		t.Errorf("the GET stream got %s", got)
	}
	c.wantError(c.tool("2", "echo", nil), 404, "2", codeNoSession, "session")
	c = connect(t, url)
	c.want(c.tool("1", "echo", map[string]any{"text": "again"}), 200, textResult("1", "again"))
}

// A server killed from outside while idle is replaced when it is needed.
func TestKilledWhileIdle(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
	proxy, url := newTestProxy(t, testserver.Good, nil)
	c := connect(t, url)
	var pid int
	if _, err := fmt.Sscanf(c.body(c.tool("1", "pid", nil)), `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"%d`, &pid); err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	for proxy.sessions.Stats().Crashed == 0 {
		time.Sleep(time.Millisecond)
	}
	c.want(c.tool("2", "echo", map[string]any{"text": "again"}), 200, textResult("2", "again"))
}

// Servers that cannot work are told apart, to the client and to the probe.
func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode, want string
		timeout    time.Duration
	}{
		{testserver.Exit, `server "exit" ended (exit status 3); its last words: error: no configuration`, 0},
		{testserver.Unlucky, `server "unlucky" ended (exit status 7); its last words: error: out of luck`, 0},
		{testserver.Silent, `server "silent" did not answer initialize within 300ms`, 300 * time.Millisecond},
	} {
		t.Run(test.mode, func(t *testing.T) {
			t.Parallel()
			proxy, url := newTestProxy(t, test.mode, &Options{StartTimeout: test.timeout})
			c := &client{t: t, url: url}
			c.wantError(c.post(initializeFrame), 200, `"init"`, -32603, test.want)
			if n := proxy.sessions.Stats().Sessions; n != 0 {
				t.Errorf("%d sessions left", n)
			}
			if err := proxy.Probe(t.Context()); fmt.Sprint(err) != "shproxy: "+test.want {
				t.Errorf("Probe = %v, want %s", err, test.want)
			}
		})
	}
}

// One that prints something else and waits is told apart, too, if it has come
// as far as to print.
func TestServerThatPrintsSomethingElse(t *testing.T) {
	t.Parallel()
	for timeout := 300 * time.Millisecond; ; timeout *= 4 {
		proxy, url := newTestProxy(t, testserver.Garbage, &Options{StartTimeout: timeout})
		c := &client{t: t, url: url}
		told, probed := c.body(c.post(initializeFrame)), fmt.Sprint(proxy.Probe(t.Context()))
		const printed = "; it printed no JSON-RPC but: Usage: something [options]"
		if timeout < time.Minute && !(strings.Contains(told, printed) && strings.Contains(probed, printed)) {
			continue // the machine is slow
		}
		want := fmt.Sprintf(`server "garbage" did not answer initialize within %v`, timeout) + printed
		if probed != "shproxy: "+want {
			t.Errorf("Probe = %s, want %s", probed, want)
		}
		if answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":"init","error":{"code":-32603,"message":%q}}`, want); told != answer {
			t.Errorf("got %s\nwant %s", told, answer)
		}
		return
	}
}

// That is so even if the server ends before it was sent initialize.
func TestServerThatEndsAtOnce(t *testing.T) {
	_, url := newTestProxy(t, testserver.Exit, &Options{Logger: slog.New(&endFirst{Handler: slog.DiscardHandler, ended: make(chan struct{})})})
	c := &client{t: t, url: url}
	c.wantError(c.post(initializeFrame), 200, `"init"`, -32603, `server "exit" ended (exit status 3); its last words: error: no configuration`)
}

// endFirst holds up the start of a session until it has ended.
type endFirst struct {
	slog.Handler
	ended chan struct{}
}

func (h *endFirst) Enabled(context.Context, slog.Level) bool { return true }

func (h *endFirst) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "session started":
		<-h.ended
	case "session ended":
		close(h.ended)
	}
	return nil
}

func TestServerThatRefuses(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Refusing, nil)
	c := &client{t: t, url: url}
	resp := c.post(initializeFrame)
	c.session = resp.Header.Get("Mcp-Session-Id")
	c.want(resp, 200, `{"jsonrpc":"2.0","id":"init","error":{"code":-32602,"message":"go away"}}`)
	c.wantError(c.tool("1", "echo", nil), 404, "1", codeNoSession, "session")
	if err := proxy.Probe(t.Context()); fmt.Sprint(err) != `shproxy: server "refusing" refused initialize: go away` {
		t.Errorf("Probe = %v", err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{testserver.Good, testserver.Noisy, testserver.Flood, testserver.Stubborn, "sdk"} {
		proxy, _ := newTestProxy(t, mode, nil)
		if err := proxy.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if stats := proxy.sessions.Stats(); stats.Sessions+stats.Children != 0 {
			t.Errorf("%s: %+v", mode, stats)
		}
	}
}

// Text on stdout is skipped and told once; a flood on stderr blocks nothing and
// does not fill the log.
func TestNoise(t *testing.T) {
	var logged bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(&lockedWriter{&mu, &logged}, nil))
	proxy, url := newTestProxy(t, testserver.Noisy, &Options{Logger: log})
	c := connect(t, url)
	for i := range 10 {
		c.want(c.tool(fmt.Sprint(i), "noise", map[string]any{"text": "x"}), 200, textResult(fmt.Sprint(i), "x"))
	}
	c.want(c.tool("1", "flood", map[string]any{"text": "done", "count": 2000}), 200, textResult("1", "done"))
	if err := proxy.Shutdown(t.Context()); err != nil { // then all is read
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(logged.String(), "skipped a line on stdout"); n != 5 {
		t.Errorf("%d lines of noise were logged", n)
	}
	if !strings.Contains(logged.String(), `line="Welcome to the server!"`) {
		t.Error("the banner was not logged")
	}
	n, skipped := strings.Count(logged.String(), "msg=stderr server=noisy"), 0
	for _, match := range regexp.MustCompile(`skipped_lines=(\d+)`).FindAllStringSubmatch(logged.String(), -1) {
		lines, _ := strconv.Atoi(match[1])
		skipped += lines
	}
	if n < 90 || n+skipped != 2000 {
		t.Errorf("%d lines of stderr were logged, and %d skipped", n, skipped)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestBigMessages(t *testing.T) {
	t.Parallel()
	_, url := newTestProxy(t, testserver.Good, &Options{MaxMessageBytes: 5 << 20})
	c := connect(t, url)
	const size = 4 << 20
	c.want(c.tool("1", "big", map[string]any{"count": size}), 200, textResult("1", strings.Repeat("b", size)))
	text := strings.Repeat("é", size/2)
	c.want(c.tool(`"`+strings.Repeat("i", 500)+`"`, "echo", map[string]any{"text": text}), 200, textResult(`"`+strings.Repeat("i", 500)+`"`, text))
	c.wantError(c.tool("3", "big", map[string]any{"count": 6 << 20}), 200, "3", -32603, "unusable answer: message of more than 5242880 bytes")
	c.wantError(c.tool("4", "invalid", nil), 200, "4", -32603, "unusable answer: jsonrpc: invalid UTF-8")
	c.want(c.tool("5", "echo", map[string]any{"text": "fine"}), 200, textResult("5", "fine"))
}

// Whatever a server does about its end, the end comes, and with it that of
// its own children; newTestProxy counts.
func TestEnding(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{testserver.Good, testserver.Stubborn, testserver.GroupOnly, testserver.Deaf} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			proxy, url := newTestProxy(t, mode, nil)
			connect(t, url)
			c := connect(t, url)
			c.delete()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := proxy.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			if stats := proxy.sessions.Stats(); stats.Sessions+stats.Children != 0 {
				t.Errorf("left: %+v", stats)
			}
		})
	}
}

// When the time to end is short, servers are killed.
func TestShutdownInAHurry(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Stubborn, nil)
	connect(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := proxy.Shutdown(ctx); err != context.Canceled {
		t.Errorf("Shutdown = %v", err)
	}
	if n := proxy.sessions.Stats().Children; n != 0 {
		t.Errorf("%d children left", n)
	}
}

// A server that reads no more does not take the proxy's memory.
func TestDeafServer(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Deaf, nil)
	c := &client{t: t, url: url}
	c.session = c.post(initializeFrame).Header.Get("Mcp-Session-Id")
	note := `{"jsonrpc":"2.0","method":"n","params":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`
	for i := 0; ; i++ {
		resp := c.post(note)
		if resp.StatusCode == http.StatusServiceUnavailable {
			c.wantError(resp, 503, "null", codeTransport, "does not read")
			break
		}
		if i > 3*maxQueue>>20 {
			t.Fatalf("%d messages were taken", i)
		}
	}
	other := connect(t, url)
	if other.session == c.session || proxy.sessions.Stats().Sessions != 2 {
		t.Error("no other session could be started")
	}
}

func TestMaxSessions(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, &Options{MaxSessions: 2})
	first := connect(t, url)
	connect(t, url)
	c := &client{t: t, url: url}
	resp := c.post(initializeFrame)
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.wantError(resp, 503, `"init"`, codeTransport, "too many sessions")
	first.delete()
	connect(t, url)
	if n := proxy.sessions.Stats().Sessions; n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// Sessions that come and go faster than their processes end do not pile up
// processes.
func TestEndingProcessesAreBounded(t *testing.T) {
	t.Parallel()
	proxy, url := newTestProxy(t, testserver.Stubborn, &Options{MaxSessions: 2})
	for range 12 {
		c := &client{t: t, url: url}
		if resp := c.post(initializeFrame); resp.StatusCode == http.StatusOK {
			c.session = resp.Header.Get("Mcp-Session-Id")
			c.body(resp)
			c.delete()
		}
		if n := proxy.sessions.Stats().Children; n > 4 {
			t.Fatalf("%d processes", n)
		}
	}
}

// A session that nobody uses ends by itself.
func TestIdleTimeout(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, &Options{IdleTimeout: 50 * time.Millisecond})
	c := &client{t: t, url: url}
	for c.session == "" { // on a busy machine it can be over before it was used
		c.session = c.post(initializeFrame).Header.Get("Mcp-Session-Id")
	}
	for stats := proxy.sessions.Stats(); stats.Sessions+stats.Children > 0; stats = proxy.sessions.Stats() {
		time.Sleep(time.Millisecond)
	}
	c.wantError(c.tool("2", "echo", nil), 404, "2", codeNoSession, "session")
}

// Clients that vanish at any moment leave nothing behind.
func TestClientsVanish(t *testing.T) {
	proxy, url := newTestProxy(t, testserver.Good, &Options{IdleTimeout: 100 * time.Millisecond, ReplayTime: 100 * time.Millisecond})
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			timer := time.AfterFunc(time.Duration(i)*2*time.Millisecond, cancel)
			defer timer.Stop()
			c := &client{t: t, url: url}
			resp, err := testClient.Do(c.request(ctx, "POST", initializeFrame))
			if err != nil {
				return // gone before there was a session
			}
			defer resp.Body.Close()
			c.session = resp.Header.Get("Mcp-Session-Id")
			for n := 0; ; n++ {
				name := []string{"echo", "wait", "ask", "progress", "crash"}[(i+n)%5]
				resp, err := testClient.Do(c.request(ctx, "POST", toolFrame("1", name, map[string]any{"count": 10}, `{"progressToken":1}`)))
				if err != nil {
					return
				}
				resp.Body.Close()
				if resp.StatusCode == http.StatusNotFound {
					return
				}
			}
		})
	}
	clients.Wait()
	for stats := proxy.sessions.Stats(); stats.Sessions+stats.Children > 0; stats = proxy.sessions.Stats() {
		time.Sleep(time.Millisecond)
	}
}

// An answer that is too long fails its call even if the id comes last.
func TestLongAnswerWithTheIDLast(t *testing.T) {
	const limit = 200 << 10
	_, url := newTestProxy(t, testserver.Good, &Options{MaxMessageBytes: limit})
	c := connect(t, url)
	frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"x":%q}}`, strings.Repeat("x", limit-100))
	c.wantError(c.post(frame), 200, "1", -32603, "unusable answer: message of more than 204800 bytes")
}
