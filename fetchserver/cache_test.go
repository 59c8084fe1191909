// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// origin is a web site that notes what it is asked for.
type origin struct {
	*httptest.Server
	mux *http.ServeMux

	mu   sync.Mutex
	seen []string
}

func newOrigin(t testing.TB) *origin {
	t.Helper()
	o := &origin{mux: http.NewServeMux()}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		line := r.URL.Path
		if tag := r.Header.Get("If-None-Match"); tag != "" {
			line += " unless " + tag
		}
		if r.URL.Path != "/robots.txt" {
			o.seen = append(o.seen, line)
		}
		o.mu.Unlock()
		o.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

// answer adds a resource with lines of header fields.
func (o *origin) answer(path, header, body string) {
	o.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		status := http.StatusOK
		for line := range strings.SplitSeq(header, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				w.Header().Set(name, value)
			}
		}
		if tag := w.Header().Get("ETag"); tag != "" && r.Header.Get("If-None-Match") == tag {
			status = http.StatusNotModified
		}
		if w.Header().Get("Location") != "" {
			status = http.StatusFound
		}
		w.WriteHeader(status)
		if status == http.StatusOK {
			fmt.Fprint(w, body)
		}
	})
}

// asked returns the requests since the last call.
func (o *origin) asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.seen
	o.seen = nil
	return seen
}

func (o *origin) addr() netip.AddrPort {
	return netip.MustParseAddrPort(o.Listener.Addr().String())
}

func newServer(t testing.TB, o fetchserver.Options, origins ...*origin) *fetchserver.Server {
	t.Helper()
	for _, origin := range origins {
		o.AllowAddresses = append(o.AllowAddresses, origin.addr())
	}
	s, err := fetchserver.New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func get(t testing.TB, s *fetchserver.Server, r fetchserver.Request) *fetchserver.Document {
	t.Helper()
	d, err := s.Fetch(t.Context(), &r)
	if err != nil {
		t.Fatalf("%s: %v", r.URL, err)
	}
	return d
}

func expect(t *testing.T, o *origin, want ...string) {
	t.Helper()
	if got := o.asked(); !slices.Equal(got, want) {
		t.Errorf("the origin was asked for %q, want %q", got, want)
	}
}

// However a page is kept from being cached, its slices cost one request.
func TestSlicesCostOneRequest(t *testing.T) {
	body := "<p>" + strings.Repeat("word ", 200) + "</p>"
	for _, header := range []string{"", "Cache-Control: no-store", "Cache-Control: max-age=60", "Cache-Control: no-cache\nETag: \"a\"", "Vary: *"} {
		t.Run(header, func(t *testing.T) {
			site := newOrigin(t)
			site.answer("/page", header, body)
			session := connect(t, start(t, fetchserver.Options{}, site.addr()), "")
			var text strings.Builder
			slices := 0
			for next := 0; ; slices++ {
				part, out, r := call(t, session, map[string]any{"url": site.URL + "/page", "start_index": next, "max_length": 100})
				if r.IsError {
					t.Fatal(part)
				}
				_, part, _ = strings.Cut(part, "/page:\n")
				part, _, _ = strings.Cut(part, "\n\n<error>")
				text.WriteString(part)
				if out.NextIndex == nil {
					break
				}
				next = *out.NextIndex
			}
			if slices < 9 || strings.Count(text.String(), "word") != 200 {
				t.Errorf("%d slices: %q", slices, text.String())
			}
			expect(t, site, "/page")
		})
	}
}

func TestNoStoreIsForgottenAfterTheLastSlice(t *testing.T) {
	site := newOrigin(t)
	site.answer("/page", "Cache-Control: no-store", "<p>"+strings.Repeat("word ", 30)+"</p>")
	session := connect(t, start(t, fetchserver.Options{}, site.addr()), "")
	args := func(from int) map[string]any {
		return map[string]any{"url": site.URL + "/page", "start_index": from, "max_length": 100}
	}
	call(t, session, args(0))
	call(t, session, args(100)) // the last one
	expect(t, site, "/page")
	call(t, session, args(100))
	expect(t, site, "/page")
}

// Raw and Markdown of a page are made of one answer, in either order.
func TestBothFormsCostOneRequest(t *testing.T) {
	site := newOrigin(t)
	const text = "<!doctype html><title>T</title><p>Gr\xfc\xdfe</p>"
	for _, path := range []string{"/a", "/b"} {
		site.answer(path, "Cache-Control: max-age=60\nContent-Type: text/html; charset=windows-1252", text)
	}
	site.answer("/data", "Cache-Control: max-age=60\nContent-Type: application/json", `{"a":[1,2]}`)
	s := newServer(t, fetchserver.Options{}, site)
	for _, order := range [][2]bool{{false, true}, {true, false}} {
		path := map[bool]string{false: "/a", true: "/b"}[order[0]]
		for _, raw := range order {
			d := get(t, s, fetchserver.Request{URL: site.URL + path, Raw: raw})
			if want := "Grüße"; !strings.Contains(d.Text, want) || strings.Contains(d.Text, "<p>") != raw {
				t.Errorf("raw %v: %q", raw, d.Text)
			}
			if d.Freshness < 55*time.Second {
				t.Errorf("raw %v is fresh for %v", raw, d.Freshness)
			}
		}
		expect(t, site, path)
	}
	raw := get(t, s, fetchserver.Request{URL: site.URL + "/data", Raw: true})
	if d := get(t, s, fetchserver.Request{URL: site.URL + "/data"}); raw.Text != `{"a":[1,2]}` || d.Text == raw.Text {
		t.Errorf("JSON: %q, raw %q", d.Text, raw.Text)
	}
	expect(t, site, "/data")
}

func TestRevalidation(t *testing.T) {
	site := newOrigin(t)
	site.answer("/page", "Cache-Control: no-cache\nETag: \"a\"", page)
	var counted []fetchserver.Outcome
	s := newServer(t, fetchserver.Options{Observe: func(o fetchserver.Outcome) { counted = append(counted, o) }}, site)
	first := get(t, s, fetchserver.Request{URL: site.URL + "/page"})
	again := get(t, s, fetchserver.Request{URL: site.URL + "/page"})
	if first.Text != again.Text || again.Status != 200 || again.ETag != `"a"` || again.Freshness != 0 {
		t.Errorf("%+v", again)
	}
	expect(t, site, "/page", `/page unless "a"`)
	if len(counted) != 2 || counted[0].Cache != fetchserver.CacheMiss || counted[1].Cache != fetchserver.CacheRevalidated ||
		counted[0].Decoded == 0 || counted[1].Decoded != 0 || counted[1].Status != 200 {
		t.Errorf("outcomes %+v", counted)
	}
}

func TestNoCacheArgument(t *testing.T) {
	site := newOrigin(t)
	site.answer("/page", "Cache-Control: max-age=60\nETag: \"a\"", page)
	s := newServer(t, fetchserver.Options{}, site)
	for _, r := range []fetchserver.Request{{}, {}, {NoCache: true}, {}} {
		r.URL = site.URL + "/page"
		get(t, s, r)
	}
	expect(t, site, "/page", `/page unless "a"`)
	off := newServer(t, fetchserver.Options{CacheBytes: -1}, site)
	for range 2 {
		get(t, off, fetchserver.Request{URL: site.URL + "/page", Continue: true})
	}
	expect(t, site, "/page", "/page")
}

func TestConcurrentCallersCostOneRequest(t *testing.T) {
	site := newOrigin(t)
	site.answer("/page", "Cache-Control: max-age=60", page)
	s := newServer(t, fetchserver.Options{}, site)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if d := get(t, s, fetchserver.Request{URL: site.URL + "/page"}); !strings.Contains(d.Text, "Heading") {
				t.Errorf("%q", d.Text)
			}
		})
	}
	all.Wait()
	expect(t, site, "/page")
}

func TestErrorsAreKeptOnlyAsTheirOriginSays(t *testing.T) {
	site := newOrigin(t)
	site.mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		http.Error(w, "It is gone.", http.StatusGone)
	})
	site.mux.HandleFunc("/missing", http.NotFound)
	s := newServer(t, fetchserver.Options{}, site)
	for range 2 {
		for _, path := range []string{"/gone", "/missing"} {
			if _, err := s.Fetch(t.Context(), &fetchserver.Request{URL: site.URL + path}); err == nil || !strings.Contains(fetchserver.Explain(err), "does not exist") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	expect(t, site, "/gone", "/missing", "/missing")
}

func TestRedirects(t *testing.T) {
	site, other := newOrigin(t), newOrigin(t)
	site.answer("/a", "Location: "+other.URL+"/b", "")
	other.answer("/b", "Cache-Control: max-age=60\nETag: \"b\"", page)
	s := newServer(t, fetchserver.Options{}, site, other)
	check := func(r fetchserver.Request) {
		t.Helper()
		if d := get(t, s, r); d.URL.String() != other.URL+"/b" || d.Text == "" {
			t.Errorf("%s: %q", d.URL, d.Text)
		}
	}
	check(fetchserver.Request{URL: site.URL + "/a"})
	check(fetchserver.Request{URL: other.URL + "/b"})
	check(fetchserver.Request{URL: site.URL + "/a", Continue: true})
	expect(t, site, "/a")
	expect(t, other, "/b")
	// Where /a leads now has to be asked; what is there is known, in both forms.
	check(fetchserver.Request{URL: site.URL + "/a"})
	check(fetchserver.Request{URL: site.URL + "/a", Raw: true})
	check(fetchserver.Request{URL: site.URL + "/a", Raw: true, Continue: true})
	expect(t, site, "/a", "/a")
	expect(t, other)
}

// What a person may read, past robots.txt, is not given to a model.
func TestDocumentsOfPersonsStayApart(t *testing.T) {
	site := newOrigin(t)
	site.answer("/robots.txt", "Content-Type: text/plain", "User-agent: *\nDisallow: /page")
	site.answer("/page", "Cache-Control: max-age=60", page)
	s := newServer(t, fetchserver.Options{}, site)
	get(t, s, fetchserver.Request{URL: site.URL + "/page", ByPerson: true})
	if _, err := s.Fetch(t.Context(), &fetchserver.Request{URL: site.URL + "/page"}); err == nil {
		t.Error("a model got what robots.txt forbids")
	}
	if d := get(t, s, fetchserver.Request{URL: site.URL + "/page", ByPerson: true}); d.Robots != fetchserver.RobotsNotAsked {
		t.Errorf("robots: %s", d.Robots)
	}
	expect(t, site, "/page")
}

// as adds credentials to each request.
type as string

func (token as) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(r)
}

func TestCallersDoNotShare(t *testing.T) {
	site := newOrigin(t)
	site.answer("/page", "Cache-Control: max-age=60", page)
	endpoint := start(t, fetchserver.Options{AllowHeaders: []string{"X-Key"}}, site.addr())
	for _, test := range []struct {
		token  string
		header map[string]string
		asks   bool
	}{
		{"alice", nil, true},
		{"alice", nil, false},
		{"bob", nil, true},
		{"bob", map[string]string{"X-Key": "secret"}, true},
		{"bob", map[string]string{"X-Key": "secret"}, false},
		{"bob", map[string]string{"X-Key": "other"}, true},
		{"alice", nil, false},
	} {
		client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
		session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: &http.Client{Transport: as(test.token)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		args := map[string]any{"url": site.URL + "/page"}
		if test.header != nil {
			args["headers"] = test.header
		}
		if text, _, r := call(t, session, args); r.IsError {
			t.Error(text)
		}
		session.Close()
		if got := len(site.asked()) > 0; got != test.asks {
			t.Errorf("%s with %v: asked %v", test.token, test.header, got)
		}
	}
}

func TestOfferedMarkdown(t *testing.T) {
	const html = `<!doctype html><html lang="en"><head><title>Title</title>%s</head><body><main><h1>Heading</h1><p>From HTML.</p></main></body></html>`
	link := func(href string) string { return `<link rel="alternate" type="text/markdown" href="` + href + `">` }
	md := "Content-Type: text/markdown\nCache-Control: max-age=30"
	for _, test := range []struct {
		name, header, head string
		setup              func(*origin)
		markdown           bool
		asked              []string
	}{
		{"element", "", link("/page.md"), func(o *origin) { o.answer("/page.md", md, "# From Markdown") }, true, []string{"/page", "/page.md"}},
		{"field", `Link: </x>; rel=next, </page.md>; type="text/markdown"; rel="alternate"`, "", func(o *origin) { o.answer("/page.md", md, "# From Markdown") }, true, []string{"/page", "/page.md"}},
		{"as plain text", "", link("/page.md"), func(o *origin) { o.answer("/page.md", "Content-Type: text/plain", "# From Markdown") }, true, []string{"/page", "/page.md"}},
		{"missing", "", link("/page.md"), func(*origin) {}, false, []string{"/page", "/page.md"}},
		{"HTML instead", "", link("/page.md"), func(o *origin) { o.answer("/page.md", "", "<p>Not found") }, false, []string{"/page", "/page.md"}},
		{"empty", "", link("/page.md"), func(o *origin) { o.answer("/page.md", md, "\n") }, false, []string{"/page", "/page.md"}},
		{"itself", "", link("/page#top"), func(*origin) {}, false, []string{"/page"}},
		{"another site", "", link("OTHER/page.md"), func(*origin) {}, false, []string{"/page"}},
		{"forbidden", "", link("/private/page.md"), func(o *origin) { o.answer("/private/page.md", md, "# From Markdown") }, false, []string{"/page"}},
		{"which offers the page", "", link("/page.md"), func(o *origin) { o.answer("/page.md", "", fmt.Sprintf(html, link("/page"))) }, false, []string{"/page", "/page.md"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			site, other := newOrigin(t), newOrigin(t)
			other.answer("/page.md", md, "# From Markdown")
			site.answer("/robots.txt", "Content-Type: text/plain", "User-agent: *\nDisallow: /private")
			site.answer("/page", "Cache-Control: max-age=60\n"+test.header, strings.Replace(fmt.Sprintf(html, test.head), "OTHER", other.URL, 1))
			test.setup(site)
			s := newServer(t, fetchserver.Options{MaxPerHost: 1}, site, other)
			d := get(t, s, fetchserver.Request{URL: site.URL + "/page"})
			if got := d.Text == "# From Markdown"; got != test.markdown || d.Title != "Title" || !d.Markdown || d.Lang != "en" {
				t.Errorf("%+v", d)
			}
			if fresh := d.Freshness > 30*time.Second; fresh == test.markdown {
				t.Errorf("fresh for %v", d.Freshness)
			}
			raw := get(t, s, fetchserver.Request{URL: site.URL + "/page", Raw: true})
			if !strings.Contains(raw.Text, "From HTML.") {
				t.Errorf("raw: %q", raw.Text)
			}
			if test.name == "as plain text" { // not fresh at all, so the raw form asks again
				test.asked = append(test.asked, "/page")
			}
			expect(t, site, test.asked...)
			expect(t, other)
		})
	}
}

func TestRetryAfter(t *testing.T) {
	site, other := newOrigin(t), newOrigin(t)
	site.mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	site.answer("/kept", "Cache-Control: max-age=60", page)
	other.answer("/page", "", page)
	var last fetchserver.Outcome
	s := newServer(t, fetchserver.Options{Observe: func(o fetchserver.Outcome) { last = o }}, site, other)
	get(t, s, fetchserver.Request{URL: site.URL + "/kept"})
	for range 3 {
		if _, err := s.Fetch(t.Context(), &fetchserver.Request{URL: site.URL + "/busy"}); err == nil {
			t.Fatal("no error")
		}
	}
	if last.Result != fetchserver.ResultBusy {
		t.Errorf("%+v", last)
	}
	expect(t, site, "/kept", "/busy")
	get(t, s, fetchserver.Request{URL: site.URL + "/kept"}) // nobody has to be asked
	get(t, s, fetchserver.Request{URL: other.URL + "/page"})
}

func TestCrawlDelay(t *testing.T) {
	site := newOrigin(t)
	site.answer("/robots.txt", "Content-Type: text/plain", "User-agent: *\nCrawl-delay: 3600")
	site.answer("/page", "", page)
	s := newServer(t, fetchserver.Options{Timeout: 4 * time.Second}, site) // shorter than the longest delay
	get(t, s, fetchserver.Request{URL: site.URL + "/page"})
	if _, err := s.Fetch(t.Context(), &fetchserver.Request{URL: site.URL + "/page"}); err == nil || !strings.Contains(fetchserver.Explain(err), "busy") {
		t.Errorf("the second request: %v", err)
	}
	expect(t, site, "/page")
}

func TestCacheTellsItsDecisions(t *testing.T) {
	site := newOrigin(t)
	site.answer("/page", "Cache-Control: max-age=60", page)
	s := newServer(t, fetchserver.Options{}, site)
	for _, want := range []string{"cache: nothing usable is kept|robots: allowed|turn: |cache: miss, fresh for ", "cache: hit, fresh for "} {
		var told []string
		ctx := fetch.WithTrace(t.Context(), func(e fetch.Event) {
			if slices.Contains([]string{"cache", "turn", "robots"}, e.Stage) {
				told = append(told, e.Stage+": "+e.Detail)
			}
		})
		if _, err := s.Fetch(ctx, &fetchserver.Request{URL: site.URL + "/page"}); err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(want, "|")
		if len(told) != len(parts) {
			t.Fatalf("told %q, want %q", told, parts)
		}
		for i := range parts {
			if !strings.HasPrefix(told[i], parts[i]) {
				t.Errorf("told %q, want %q", told[i], parts[i])
			}
		}
	}
}

// A caller that leaves does not take along those who wait for the same page.
func TestLeavingLeader(t *testing.T) {
	site := newOrigin(t)
	arrived := make(chan struct{})
	var requests atomic.Int32
	site.mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		if requests.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, page)
	})
	s := newServer(t, fetchserver.Options{IgnoreRobots: true}, site)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := s.Fetch(ctx, &fetchserver.Request{URL: site.URL + "/page"})
		left <- err
	}()
	<-arrived
	stayed := make(chan error, 1)
	go func() {
		_, err := s.Fetch(t.Context(), &fetchserver.Request{URL: site.URL + "/page"})
		stayed <- err
	}()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) && err == nil {
		t.Errorf("who left got %v", err)
	}
	<-arrived
	if err := <-stayed; err != nil {
		t.Errorf("who stayed got %v", err)
	}
}

// BenchmarkWarmSlice is what a slice of a document costs that is in the cache.
func BenchmarkWarmSlice(b *testing.B) {
	site := newOrigin(b)
	site.answer("/page", "Cache-Control: max-age=3600", "<p>"+strings.Repeat("wörd ", 50_000)+"</p>")
	s := newServer(b, fetchserver.Options{}, site)
	get(b, s, fetchserver.Request{URL: site.URL + "/page"})
	b.ReportAllocs()
	for b.Loop() {
		get(b, s, fetchserver.Request{URL: site.URL + "/page", Continue: true})
	}
}
