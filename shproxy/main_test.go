// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// TestMain turns the test binary into the wrapped server when it is run as
// one.
func TestMain(m *testing.M) {
	switch mode := os.Getenv(testserver.Env); mode {
	case "":
		os.Exit(m.Run())
	case "sdk":
		os.Exit(runSDKServer())
	case proxyMode:
		os.Exit(runProxy())
	default:
		os.Exit(testserver.Run(mode, os.Stdin, os.Stdout, os.Stderr))
	}
}

// markerEnv marks the processes of one test, and what they start.
const markerEnv = "SHPROXY_TEST_MARKER"

var markers atomic.Int64

func testServer(mode string) Server {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	marker := fmt.Sprint(os.Getpid(), "-", markers.Add(1))
	return Server{Command: exe, Name: mode, Env: append(os.Environ(), "GORACE=atexit_sleep_ms=0", testserver.Env+"="+mode, markerEnv+"="+marker)}
}

// newTestProxy serves a proxy for the test server in one of its modes. When
// the test ends, it checks that no process is left.
func newTestProxy(t *testing.T, mode string, o *Options) (*Proxy, string) {
	t.Helper()
	return serveProxy(t, testServer(mode), o)
}

// newStage serves a proxy whose servers the test plays itself.
func newStage(t *testing.T, o *Options) (*Proxy, string, *testserver.Stage) {
	t.Helper()
	stage := testserver.NewStage(t)
	server := testServer(testserver.Puppet)
	server.Env = append(stage.Env(), server.Env...)
	proxy, url := serveProxy(t, server, o)
	return proxy, url, stage
}

func serveProxy(t *testing.T, server Server, o *Options) (*Proxy, string) {
	t.Helper()
	proxy, err := New(server, o)
	if err != nil {
		t.Fatal(err)
	}
	if o == nil || o.KeepAlive == 0 {
		proxy.patience = time.Hour // so that a slow machine does not change replies
	}
	ts := httptest.NewServer(proxy)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := proxy.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		ts.Close()
		if left := processes(t, server.Env[len(server.Env)-1]); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
	return proxy, ts.URL
}

// processes lists those whose environment holds the marker.
func processes(t *testing.T, marker string) (pids []int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return nil
	}
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err == nil && bytes.Contains(env, []byte(marker+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// testClient gives up before the test binary does.
var testClient = &http.Client{Timeout: 3 * time.Minute}

// client speaks Streamable HTTP byte by byte.
type client struct {
	t       *testing.T
	url     string
	session string
	version string // of the protocol; empty means testVersion
	header  http.Header
}

const testVersion = "2025-06-18"

const initializeFrame = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// connect starts a session.
func connect(t *testing.T, url string) *client {
	t.Helper()
	return connectAs(t, url, testVersion)
}

// connectAs starts a session of a protocol version.
func connectAs(t *testing.T, url, version string) *client {
	t.Helper()
	c := &client{t: t, url: url, version: version, header: http.Header{}}
	resp := c.post(strings.Replace(initializeFrame, testVersion, version, 1))
	body := c.body(resp)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"id":"init","result"`) {
		t.Fatalf("initialize: %s %s", resp.Status, body)
	}
	c.session = resp.Header.Get("Mcp-Session-Id")
	if len(c.session) < 26 || strings.ContainsFunc(c.session, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		t.Errorf("session id %q", c.session)
	}
	if resp := c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); resp.StatusCode != http.StatusAccepted || c.body(resp) != "" {
		t.Errorf("initialized: %s", resp.Status)
	}
	return c
}

func (c *client) request(ctx context.Context, method, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if c.session != "" {
		r.Header.Set("Mcp-Session-Id", c.session)
		r.Header.Set("MCP-Protocol-Version", cmp.Or(c.version, testVersion))
	}
	maps.Copy(r.Header, c.header)
	return r
}

func (c *client) do(r *http.Request) *http.Response {
	c.t.Helper()
	resp, err := testClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (c *client) post(frame string) *http.Response {
	c.t.Helper()
	return c.do(c.request(context.Background(), http.MethodPost, frame))
}

func (c *client) body(resp *http.Response) string {
	c.t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(body)
}

// tool calls a tool of the test server.
func (c *client) tool(id, name string, args map[string]any) *http.Response {
	c.t.Helper()
	return c.post(toolFrame(id, name, args, ""))
}

func toolFrame(id, name string, args map[string]any, meta string) string {
	if meta != "" {
		meta = `,"_meta":` + meta
	}
	encoded, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":%s%s}}`, id, name, encoded, meta)
}

// listen opens the GET stream.
func (c *client) listen(ctx context.Context) *events {
	c.t.Helper()
	resp := c.do(c.request(ctx, http.MethodGet, ""))
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("GET: %s", resp.Status)
	}
	return c.events(resp)
}

func (c *client) delete() *http.Response {
	c.t.Helper()
	return c.do(c.request(context.Background(), http.MethodDelete, ""))
}

// events reads the event stream of a response.
type events struct {
	t *testing.T
	r *sse.Reader
}

func (c *client) events(resp *http.Response) *events {
	c.t.Helper()
	if got := resp.Header.Get("Content-Type"); got != sse.ContentType {
		c.t.Fatalf("Content-Type %q: %s", got, c.body(resp))
	}
	if resp.Header.Get("X-Accel-Buffering") != "no" {
		c.t.Error("X-Accel-Buffering is missing")
	}
	return &events{c.t, sse.NewReader(resp.Body, 0)}
}

// next returns the next event's data, and "EOF" at the end.
func (e *events) next() string {
	e.t.Helper()
	event, err := e.r.Next()
	if err == io.EOF {
		return "EOF"
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return string(event.Data)
}

func textResult(id, text string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":%q}]}}`, id, text)
}

// want compares a JSON reply byte by byte.
func (c *client) want(resp *http.Response, status int, body string) {
	c.t.Helper()
	got := c.body(resp)
	if resp.StatusCode != status || got != body {
		c.t.Errorf("got %d %s\nwant %d %s", resp.StatusCode, got, status, body)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		c.t.Errorf("Content-Type %q", got)
	}
}

// wantError checks the status, the id and the code of an error reply, and
// that its message holds a text.
func (c *client) wantError(resp *http.Response, status int, id string, code int, text string) {
	c.t.Helper()
	body := c.body(resp)
	var e struct {
		JSONRPC string
		ID      json.RawMessage
		Error   struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		c.t.Fatalf("%s %q: %v", resp.Status, body, err)
	}
	if resp.StatusCode != status || e.JSONRPC != "2.0" || string(e.ID) != id || e.Error.Code != code || !strings.Contains(e.Error.Message, text) {
		c.t.Errorf("got %d %s\nwant %d, id %s, code %d, text %q", resp.StatusCode, body, status, id, code, text)
	}
}
