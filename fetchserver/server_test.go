// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

// site starts a web site on loopback and returns its URL and endpoint.
func site(t *testing.T, h http.Handler) (string, netip.AddrPort) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, netip.MustParseAddrPort(s.Listener.Addr().String())
}

// start serves a fetch server that may reach the given endpoints.
func start(t *testing.T, o fetchserver.Options, allowed ...netip.AddrPort) string {
	t.Helper()
	o.AllowAddresses = append(o.AllowAddresses, allowed...)
	server, err := fetchserver.New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	s := httptest.NewServer(server.Handler())
	t.Cleanup(s.Close)
	return s.URL
}

// connect connects a client of the SDK; version "" lets it choose.
func connect(t *testing.T, endpoint, version string) *mcp.ClientSession {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

type output struct {
	URL         string `json:"url"`
	FinalURL    string `json:"final_url"`
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Title       string `json:"title"`
	Length      int    `json:"length"`
	StartIndex  int    `json:"start_index"`
	NextIndex   *int   `json:"next_index"`
	Truncated   bool   `json:"truncated"`
}

var mark = regexp.MustCompile(`<untrusted-web-content id=([a-z2-7]+)>\n|\n</untrusted-web-content id=([a-z2-7]+)>`)

// unframed returns a text without the marks around what the page says.
func unframed(t *testing.T, text string) string {
	t.Helper()
	marks := mark.FindAllStringSubmatch(text, -1)
	if len(marks) > 0 && (len(marks) != 2 || marks[0][1] != marks[1][2]) {
		t.Errorf("marks %q", marks)
	}
	if len(marks) == 0 && strings.Contains(text, "Contents of") && !strings.Contains(text, "<error>") && !strings.Contains(text, "an image") {
		t.Errorf("no marks in %q", text)
	}
	return mark.ReplaceAllString(text, "")
}

// call calls the tool and returns the text of its result, without marks.
func call(t *testing.T, s *mcp.ClientSession, args map[string]any) (string, output, *mcp.CallToolResult) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: args})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if c, ok := r.Content[0].(*mcp.TextContent); ok {
		text = unframed(t, c.Text)
	}
	var out output
	if !r.IsError {
		structured, err := json.Marshal(r.StructuredContent)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(structured, &out); err != nil {
			t.Fatal(err)
		}
	}
	return text, out, r
}

const page = `<!doctype html><html><head><title>A &amp; B</title></head><body><nav><a href="/">Home</a></nav>
<main><h1>Heading</h1><p>A <b>bold</b> word and a <a href="/next?x=1">link</a>.</p></main></body></html>`

func webSite() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/page", http.StatusFound) })
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, strings.Repeat("äöü€𝄞", 100))
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"a":[1,2]}`)
	})
	mux.HandleFunc("/feed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/rss+xml")
		fmt.Fprint(w, `<rss><channel><title>News</title><item><title>Tea</title><link>/tea</link><pubDate>2026-11-02</pubDate></item></channel></rss>`)
	})
	mux.HandleFunc("/svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg><text>x</text></svg>`)
	})
	mux.HandleFunc("/markdown", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/markdown")
		fmt.Fprint(w, "# Ready")
	})
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body><div id=root></div><script>start()</script>")
	})
	mux.HandleFunc("/image", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		fmt.Fprint(w, "\x89PNG\r\n\x1a\nrest")
	})
	mux.HandleFunc("/pdf", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pdf")
		fmt.Fprint(w, "%PDF-1.7\n\x00\x01")
	})
	mux.HandleFunc("/404", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<title>Gone</title><p>No such page."+strings.Repeat(" Really.", 1000))
	})
	mux.HandleFunc("/429", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	mux.HandleFunc("/metadata", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	})
	mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "User-agent: fetchserver\nDisallow: /private")
	})
	mux.HandleFunc("/private", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret") })
	return mux
}

// TestVersions has clients of every protocol version call the same endpoint.
func TestVersions(t *testing.T) {
	base, addr := site(t, webSite())
	endpoint := start(t, fetchserver.Options{}, addr)
	for _, version := range append(mcp.SupportedProtocolVersions(), "") {
		t.Run(version, func(t *testing.T) {
			s := connect(t, endpoint, version)
			if got := s.InitializeResult(); version != "" && got != nil && got.ProtocolVersion != version {
				t.Errorf("negotiated %s", got.ProtocolVersion)
			}
			tools, err := s.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(tools.Tools) != 2 || tools.Tools[0].Name != "fetch" || tools.Tools[1].Name != "fetch_many" {
				t.Fatalf("tools: %v", tools.Tools)
			}
			a := tools.Tools[0].Annotations
			if !a.ReadOnlyHint || !a.IdempotentHint || a.OpenWorldHint == nil || !*a.OpenWorldHint {
				t.Errorf("annotations: %+v", a)
			}
			text, out, _ := call(t, s, map[string]any{"url": base + "/page"})
			want := "Contents of " + base + "/page:\n# Heading\n\nA **bold** word and a [link](" + base + "/next?x=1)."
			if text != want {
				t.Errorf("text = %q, want %q", text, want)
			}
			if out.Title != "A & B" || out.Status != 200 || out.ContentType != "text/html" || out.Truncated || out.NextIndex != nil {
				t.Errorf("structured content: %+v", out)
			}
		})
	}
}

// TestPlainHTTP speaks the oldest supported protocol without any SDK.
func TestPlainHTTP(t *testing.T) {
	endpoint := start(t, fetchserver.Options{})
	post := func(body string, header http.Header) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		maps.Copy(req.Header, header)
		if h := header.Get("Host"); h != "" {
			req.Host = h
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	for _, test := range []struct {
		name, body string
		header     http.Header
		want       int
	}{
		{"initialize", initialize, nil, 200},
		{"notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202},
		{"own origin", initialize, http.Header{"Origin": {endpoint}}, 200},
		{"foreign origin", initialize, http.Header{"Origin": {"https://evil.example"}}, 403},
		{"null origin", initialize, http.Header{"Origin": {"null"}}, 403},
		{"cross-site", initialize, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"rebound host", initialize, http.Header{"Host": {"evil.example"}}, 403},
		{"not JSON", `{`, nil, 400},
		{"too large", `{"x":"` + strings.Repeat("y", 300<<10) + `"}`, nil, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			if resp := post(test.body, test.header); resp.StatusCode != test.want {
				t.Errorf("status %d, want %d", resp.StatusCode, test.want)
			}
		})
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		req, _ := http.NewRequestWithContext(t.Context(), method, endpoint, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d", method, resp.StatusCode)
		}
	}
}

func TestAllowedOriginAndHost(t *testing.T) {
	server, err := fetchserver.New(&fetchserver.Options{AllowedOrigins: []string{"https://app.example/"}, AllowedHosts: []string{"mcp.example"}})
	if err != nil {
		t.Fatal(err)
	}
	h := server.Handler()
	for _, test := range []struct {
		method, host, origin string
		want                 int
	}{
		{"OPTIONS", "mcp.example", "https://app.example", 204},
		{"OPTIONS", "mcp.example", "https://other.example", 403},
		{"GET", "mcp.example:8080", "", 405},
		{"GET", "MCP.example", "https://app.example", 405},
		{"GET", "other.example", "", 403},
		{"GET", "localhost:3000", "http://localhost:3000", 405},
		{"GET", "localhost:3000", "http://localhost:4000", 403},
	} {
		r := httptest.NewRequest(test.method, "http://"+test.host+"/mcp", nil)
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s to %s from %q: %d, want %d", test.method, test.host, test.origin, w.Code, test.want)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); (got != "") != (test.origin == "https://app.example") {
			t.Errorf("%s to %s from %q: Access-Control-Allow-Origin %q", test.method, test.host, test.origin, got)
		}
	}
}

func TestContents(t *testing.T) {
	base, addr := site(t, webSite())
	s := connect(t, start(t, fetchserver.Options{}, addr), "")
	for _, test := range []struct{ path, text, contentType string }{
		{"/text", "Content type text/plain cannot be simplified to markdown, but here is the raw content:\nContents of " + base + "/text:\näöü€𝄞", "text/plain"},
		{"/json", "Content type application/json cannot be simplified to markdown, but here is the raw content:\nContents of " + base + "/json:\n{\n  \"a\": [\n    1,\n    2\n  ]\n}", "application/json"},
		{"/feed", "Contents of " + base + "/feed:\n# News\n\n- [Tea](" + base + "/tea), 2026-11-02", "application/rss+xml"},
		{"/svg", "Content type image/svg+xml cannot be simplified to markdown, but here is the raw content:\nContents of " + base + "/svg:\n<svg>", "image/svg+xml"},
		{"/markdown", "Contents of " + base + "/markdown:\n# Ready", "text/markdown"},
		{"/empty", "Contents of " + base + "/empty:\n<error>The page contains no text.", "text/html"},
		{"/redirect", "Contents of " + base + "/page:\n# Heading", "text/html"},
	} {
		text, out, r := call(t, s, map[string]any{"url": base + test.path})
		if r.IsError || !strings.HasPrefix(text, test.text) || out.ContentType != test.contentType {
			t.Errorf("%s: %q, %+v", test.path, text, out)
		}
	}
	text, _, _ := call(t, s, map[string]any{"url": base + "/page", "raw": true})
	if text != "Contents of "+base+"/page:\n"+page {
		t.Errorf("raw: %q", text)
	}
	_, out, r := call(t, s, map[string]any{"url": base + "/image"})
	if img, ok := r.Content[1].(*mcp.ImageContent); !ok || img.MIMEType != "image/png" || !strings.HasSuffix(string(img.Data), "rest") || out.ContentType != "image/png" {
		t.Errorf("image: %+v", r.Content)
	}
}

func TestErrors(t *testing.T) {
	base, addr := site(t, webSite())
	_, closed := site(t, http.NotFoundHandler())
	s := connect(t, start(t, fetchserver.Options{}, addr), "")
	for _, test := range []struct {
		name string
		args map[string]any
		want []string // parts of the text
	}{
		{"not found", map[string]any{"url": base + "/404"}, []string{"answered 404 Not Found", "check the URL", "No such page."}},
		{"PDF", map[string]any{"url": base + "/pdf"}, []string{"application/pdf (11 bytes)", "cannot be shown as text"}},
		{"robots", map[string]any{"url": base + "/private"}, []string{base + "/robots.txt forbids", "Do not retry"}},
		{"redirect to metadata", map[string]any{"url": base + "/metadata"}, []string{"169.254.169.254", "not an address of the public Internet"}},
		{"private port", map[string]any{"url": "http://" + closed.String()}, []string{"port", "not allowed"}},
		{"localhost", map[string]any{"url": "http://localhost/"}, []string{"not an address of the public Internet", "Do not retry"}},
		{"no scheme", map[string]any{"url": "example.com"}, []string{"must start with https://", "Correct the URL"}},
		{"file", map[string]any{"url": "file:///etc/passwd"}, []string{`"file" is not supported`}},
		{"no url", map[string]any{}, []string{"url"}},
		{"max_length 0", map[string]any{"url": base, "max_length": 0}, []string{"max_length"}},
		{"max_length 1000000", map[string]any{"url": base, "max_length": 1000000}, []string{"max_length"}},
		{"negative start", map[string]any{"url": base, "start_index": -1}, []string{"start_index"}},
		{"start beyond all", map[string]any{"url": base, "start_index": 1 << 31}, []string{"start_index"}},
		{"wrong type", map[string]any{"url": base, "raw": "yes"}, []string{"raw"}},
		{"unknown argument", map[string]any{"url": base, "method": "POST"}, []string{"method"}},
		{"too many requests", map[string]any{"url": base + "/429"}, []string{"429", "Retry-After: \"120\""}},
		{"too many requests before", map[string]any{"url": base + "/other"}, []string{"asked clients to wait", "Do not retry"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, _, r := call(t, s, test.args)
			if !r.IsError || len(text) > 1500 {
				t.Errorf("isError %v, %d bytes", r.IsError, len(text))
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q lacks %q", text, want)
				}
			}
		})
	}
}

func TestPaging(t *testing.T) {
	base, addr := site(t, webSite())
	s := connect(t, start(t, fetchserver.Options{}, addr), "")
	whole := []rune(strings.Repeat("äöü€𝄞", 100))
	var got []rune
	for next := 0; ; {
		text, out, _ := call(t, s, map[string]any{"url": base + "/text", "start_index": next, "max_length": 199})
		_, body, _ := strings.Cut(text, "/text:\n")
		body, hint, truncated := strings.Cut(body, "\n\n<error>Content truncated. Call the fetch tool with a start_index of ")
		got = append(got, []rune(body)...)
		if out.Length != 500 || out.StartIndex != next || out.Truncated != truncated || (out.NextIndex != nil) != truncated {
			t.Errorf("%+v, hint %q", out, hint)
		}
		if !truncated {
			break
		}
		if !strings.HasPrefix(hint, fmt.Sprint(*out.NextIndex, " ")) || *out.NextIndex != next+199 {
			t.Errorf("next %d, hint %q", *out.NextIndex, hint)
		}
		next = *out.NextIndex
	}
	if !slices.Equal(got, whole) {
		t.Errorf("the slices make %d characters", len(got))
	}
	for _, start := range []int{500, 501, math.MaxInt32} {
		text, out, r := call(t, s, map[string]any{"url": base + "/text", "start_index": start})
		if r.IsError || !strings.HasSuffix(text, "<error>No more content available.</error>") || out.Truncated || out.NextIndex != nil {
			t.Errorf("start %d: %q, %+v", start, text, out)
		}
	}
}

func TestRobots(t *testing.T) {
	var robotsFetched, privateFetched atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		robotsFetched.Add(1)
		fmt.Fprint(w, "User-agent: *\nDisallow: /")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { privateFetched.Add(1) })
	base, addr := site(t, mux)
	s := connect(t, start(t, fetchserver.Options{}, addr), "")
	for range 3 {
		if _, _, r := call(t, s, map[string]any{"url": base + "/x"}); !r.IsError {
			t.Error("a forbidden page was fetched")
		}
	}
	if robotsFetched.Load() != 1 || privateFetched.Load() != 0 {
		t.Errorf("robots.txt fetched %d times, pages %d", robotsFetched.Load(), privateFetched.Load())
	}
	ignoring := connect(t, start(t, fetchserver.Options{IgnoreRobots: true}, addr), "")
	if _, _, r := call(t, ignoring, map[string]any{"url": base + "/x"}); r.IsError || robotsFetched.Load() != 1 {
		t.Error("robots.txt was not ignored")
	}

	down, downAddr := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	inward, inwardAddr := site(t, http.RedirectHandler("http://127.0.0.1/robots.txt", http.StatusFound))
	s = connect(t, start(t, fetchserver.Options{}, downAddr, inwardAddr), "")
	if text, _, r := call(t, s, map[string]any{"url": down}); !r.IsError || !strings.Contains(text, "RFC 9309") {
		t.Errorf("robots.txt down: %q", text)
	}
	if text, _, r := call(t, s, map[string]any{"url": inward}); !r.IsError || !strings.Contains(text, "not an address of the public Internet") {
		t.Errorf("robots.txt redirects inward: %q", text)
	}
}

func TestCancellation(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	base, addr := site(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			return
		}
		close(arrived)
		<-r.Context().Done()
		close(ended)
	}))
	s := connect(t, start(t, fetchserver.Options{}, addr), "2026-07-28")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": base}}); err == nil {
		t.Error("a cancelled call succeeded")
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the fetch went on after its caller had left")
	}
}

func TestConcurrencyLimit(t *testing.T) {
	var open, most atomic.Int32
	arrived, release := make(chan struct{}), make(chan struct{})
	base, addr := site(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-release
		open.Add(-1)
		fmt.Fprint(w, "ok")
	}))
	// Nothing is released before all calls have come.
	var came sync.WaitGroup
	count := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mcp-Method") == "tools/call" {
				came.Done()
			}
			next.ServeHTTP(w, r)
		})
	}
	s := connect(t, start(t, fetchserver.Options{MaxConcurrent: 2, IgnoreRobots: true, Middleware: count}, addr), "2026-07-28")
	done := make(chan bool, 20)
	came.Add(cap(done))
	for i := range cap(done) {
		go func() {
			r, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "fetch", Arguments: map[string]any{"url": fmt.Sprint(base, "/", i)}})
			done <- err == nil && !r.IsError
		}()
	}
	came.Wait()
	<-arrived
	for range cap(done) - 1 {
		<-arrived // two are open: a third may only come after a release
		release <- struct{}{}
	}
	release <- struct{}{}
	for range cap(done) {
		if !<-done {
			t.Error("a call failed")
		}
	}
	if most.Load() != 2 {
		t.Errorf("%d fetches at the same time, want 2", most.Load())
	}
}

func TestRequestLimit(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	server, err := fetchserver.New(&fetchserver.Options{MaxRequests: 1, Middleware: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			entered <- struct{}{}
			<-release
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := server.Handler()
	first := make(chan struct{})
	go func() {
		defer close(first)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/mcp", nil))
	}()
	<-entered
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mcp", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d", w.Code)
	}
	close(release)
	<-first
}

func TestPanic(t *testing.T) {
	server, err := fetchserver.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	server.MCP().AddTool(&mcp.Tool{Name: "bad", InputSchema: map[string]any{"type": "object"}},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("bad") })
	h := httptest.NewServer(server.Handler())
	t.Cleanup(h.Close)
	s := connect(t, h.URL, "")
	if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "bad"}); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("error = %v", err)
	}
	if _, err := s.ListTools(t.Context(), nil); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

// TestLog: a call is one record, which shows no query.
func TestLog(t *testing.T) {
	base, addr := site(t, webSite())
	var log bytes.Buffer
	s := connect(t, start(t, fetchserver.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, addr), "2026-07-28")
	call(t, s, map[string]any{"url": base + "/page?token=hidden"})
	call(t, s, map[string]any{"url": "http://169.254.169.254/?token=hidden"})
	if lines := strings.Count(log.String(), "\n"); lines != 2 || strings.Contains(log.String(), "hidden") ||
		!strings.Contains(log.String(), "reason.code=address_refused") {
		t.Errorf("%d lines:\n%s", lines, log.String())
	}
}

func TestMiddleware(t *testing.T) {
	server, err := fetchserver.New(&fetchserver.Options{Middleware: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader("{}")))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d", w.Code)
	}
}

func TestUserAgentWithoutName(t *testing.T) {
	if _, err := fetchserver.New(&fetchserver.Options{UserAgent: "1"}); err == nil {
		t.Error("a user agent that robots.txt files cannot name was accepted")
	}
	if _, err := fetchserver.New(&fetchserver.Options{UserAgent: "1", IgnoreRobots: true}); err != nil {
		t.Error(err)
	}
}
