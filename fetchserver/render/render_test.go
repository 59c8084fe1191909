// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

// app is a page that is empty before its scripts run: they get its text, put
// some of it into a shadow tree, and go elsewhere in the history.
const app = `<!DOCTYPE html><html lang="en"><head><title>App</title><style>p{color:red}</style>
<script type="application/ld+json">{"@type":"Article"}</script></head>
<body><noscript>Turn on scripts.</noscript><div id="app"></div><img src="picture.png">
<script>
customElements.define('my-card', class extends HTMLElement {
  constructor() { super(); this.attachShadow({mode: 'open'}).innerHTML = '<section><h2>From the shadow</h2><slot>nothing</slot></section>'; }
});
fetch('data').then(r => r.text()).then(t => setTimeout(() => {
  document.getElementById('app').innerHTML = '<h1>' + t + '</h1><my-card><b>slotted &amp; seen</b></my-card>';
  history.replaceState({}, '', 'there?q=1');
}, 50));
</script></body></html>`

func TestRender(t *testing.T) {
	var mu sync.Mutex
	asked := make(map[string]http.Header)
	b, base := calm(t, func(w http.ResponseWriter, r *http.Request) {
		_, path, _ := strings.Cut(r.URL.Path[1:], "/")
		mu.Lock()
		asked[path] = r.Header.Clone()
		mu.Unlock()
		switch path {
		case "":
			http.Redirect(w, r, "app", http.StatusFound)
		case "app":
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
			w.Header().Set("ETag", `"v1"`)
			w.WriteHeader(http.StatusAccepted)
			html(w, app)
		case "data":
			fmt.Fprint(w, "Text from a script")
		default:
			http.NotFound(w, r)
		}
	})
	for range 2 {
		resp, err := b.Render(t.Context(), &fetch.Request{URL: base + "/", Header: http.Header{"Accept-Language": {"de"}}})
		if err != nil {
			t.Fatal(err)
		}
		body := string(resp.Body)
		for _, want := range []string{"<h1>Text from a script</h1>", "<h2>From the shadow</h2>", "<b>slotted &amp; seen</b>", `{"@type":"Article"}`, "<!DOCTYPE html>", "<title>App</title>"} {
			if !strings.Contains(body, want) {
				t.Errorf("%q is missing in:\n%s", want, body)
			}
		}
		for _, absent := range []string{"customElements", "Turn on scripts", "color:red", "nothing"} {
			if strings.Contains(body, absent) {
				t.Errorf("%q is in:\n%s", absent, body)
			}
		}
		if resp.URL.String() != base+"/there?q=1" || resp.Status != http.StatusAccepted || resp.Header.Get("ETag") != `"v1"` ||
			resp.MediaType() != "text/html" || resp.Header.Get("Content-Length") != "" || len(resp.Redirects) != 1 || len(resp.Notes) != 0 || resp.Received == 0 {
			t.Errorf("response: %s, %d, %v, redirects %v, notes %v, %d bytes received", resp.URL, resp.Status, resp.Header, resp.Redirects, resp.Notes, resp.Received)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := asked["app"].Get("User-Agent"); got != fetch.DefaultUserAgent {
		t.Errorf("User-Agent = %q", got)
	}
	if got := asked[""].Get("Accept-Language"); got != "de" {
		t.Errorf("Accept-Language = %q", got)
	}
	if got := asked["app"].Get("Cookie"); got != "" { // of the second time
		t.Errorf("a cookie was kept: %q", got)
	}
	if got := asked["app"].Get("Proxy-Authorization"); got != "" {
		t.Error("the proxy's password reached the origin")
	}
	for _, path := range []string{"picture.png", "favicon.ico"} {
		if asked[path] != nil {
			t.Errorf("%s was asked for", path)
		}
	}
}

// TestNotHTML: what the browser has no page for is fetched without it.
func TestNotHTML(t *testing.T) {
	b, base := calm(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/text"):
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, "plain")
		case strings.HasSuffix(r.URL.Path, "/file"):
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Disposition", "attachment; filename=x.bin")
			fmt.Fprint(w, "plain")
		case strings.HasSuffix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusGone)
		case strings.HasSuffix(r.URL.Path, "/none"):
			w.WriteHeader(http.StatusNoContent)
		}
	})
	for path, want := range map[string]string{"/text": "200 plain", "/file": "200 plain", "/gone": "410 ", "/none": "204 "} {
		resp, err := b.Render(t.Context(), &fetch.Request{URL: base + path})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if got := fmt.Sprint(resp.Status, " ", string(resp.Body)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestCheck: each document of the main frame is asked about first.
func TestCheck(t *testing.T) {
	forbidden := errors.New("forbidden")
	b, base := calm(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/redirect"):
			http.Redirect(w, r, "secret", http.StatusMovedPermanently)
		case strings.HasSuffix(r.URL.Path, "/leave"):
			html(w, `<p id=p></p><script>p.append('sta' + 'ys'); location = 'secret'</script>`)
		case strings.HasSuffix(r.URL.Path, "/form"):
			html(w, `<p id=p></p><form method=post action=open><input name=a></form><script>p.append('sta' + 'ys'); document.forms[0].submit()</script>`)
		case strings.HasSuffix(r.URL.Path, "/go"):
			html(w, `<p>goes</p><script>location = 'open'</script>`)
		case strings.HasSuffix(r.URL.Path, "/open"):
			html(w, `<p>arrived</p>`)
		default:
			t.Errorf("%s was asked for", r.URL.Path)
		}
	})
	check := func(_ context.Context, u *url.URL) error {
		if strings.HasSuffix(u.Path, "/secret") {
			return forbidden
		}
		return nil
	}
	for _, test := range []struct {
		path, want string
		err        error
	}{
		{"/secret", "", forbidden}, {"/redirect", "", forbidden},
		{"/leave", "stays", nil}, {"/form", "stays", nil}, {"/go", "arrived", nil},
	} {
		resp, err := b.Render(t.Context(), &fetch.Request{URL: base + test.path, Check: check})
		if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("%s: error %v, want %v", test.path, err, test.err)
		} else if err == nil && !strings.Contains(string(resp.Body), test.want) {
			t.Errorf("%s: %s, want %s", test.path, resp.Body, test.want)
		}
	}
}

// TestRestless has pages that never come to rest.
func TestRestless(t *testing.T) {
	const text = `<p>The text</p>`
	b, base := restless(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:] {
		case "timers":
			html(w, text+`<script>setInterval(() => document.body.append(document.createElement('i')), 10)</script>`)
		case "fetches":
			html(w, text+`<script>(function again() { fetch('data?' + Math.random()).then(again, again) })()</script>`)
		case "loop":
			html(w, text+`<script>setTimeout(() => { while (true); }, 0)</script>`)
		case "loops":
			html(w, text+`<script>setInterval(() => { while (true); }, 0)</script>`)
		case "loop-at-once":
			html(w, text+`<script>while (true);</script>`)
		case "alerts":
			html(w, text+`<script>setInterval(() => { alert('a'); confirm('b'); prompt('c'); }, 1); onbeforeunload = e => { e.preventDefault(); return 'stay' }</script>`)
		case "windows":
			html(w, text+`<script>setInterval(() => { window.open('open'); document.body.append(document.createElement('i')) }, 10)</script>`)
		case "large":
			html(w, text+`<script>fetch('endless').then(r => r.text())</script>`)
		case "endless":
			chunk := make([]byte, 64<<10)
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "hangs":
			html(w, text+`<script src="hang"></script>`)
		case "hang":
			<-r.Context().Done()
		case "open":
			t.Error("a window was opened")
		}
	})
	for _, test := range []string{"timers", "fetches", "loop", "loops", "loop-at-once", "alerts", "windows", "large", "hangs"} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			resp, err := b.Render(t.Context(), &fetch.Request{URL: base + "/" + test})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(resp.Body), text) || len(resp.Notes) == 0 && test != "alerts" { // which add nothing
				t.Errorf("notes %q, body:\n%.500s", resp.Notes, resp.Body)
			}
		})
	}
}

// TestMemory has pages that take all the memory they get.
func TestMemory(t *testing.T) {
	b, base := calm(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:] {
		case "heap":
			html(w, `<script>const all = []; while (true) all.push({text: 'x' + all.length, more: [1, 2, 3]});</script>`)
		case "buffers":
			html(w, `<script>const all = []; while (true) all.push(new Uint8Array(1 << 20).fill(1));</script>`)
		default:
			html(w, "<p>fine</p>")
		}
	})
	for _, path := range []string{"/heap", "/buffers"} {
		resp, err := b.Render(t.Context(), &fetch.Request{URL: base + path})
		if err == nil {
			t.Errorf("%s: %.300s", path, resp.Body)
			continue
		}
		wantCode(t, err, render.CodeRender)
	}
	if resp, err := b.Render(t.Context(), &fetch.Request{URL: base + "/"}); err != nil || !strings.Contains(string(resp.Body), "fine") {
		t.Errorf("afterwards: %v", err)
	}
}

// TestCut: a page may become larger than can be returned.
func TestCut(t *testing.T) {
	b, base := calm(t, func(w http.ResponseWriter, _ *http.Request) {
		html(w, `<body><script>document.body.innerHTML = '<p>' + 'long '.repeat(300000)</script>`)
	})
	resp, err := b.Render(t.Context(), &fetch.Request{URL: base + "/"})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Body) > 1<<20+100 || len(resp.Notes) != 1 || !strings.Contains(resp.Notes[0], "larger") {
		t.Errorf("%d bytes, notes %q", len(resp.Body), resp.Notes)
	}
}

// TestCancelled: a caller who leaves frees the page, whatever it does.
func TestCancelled(t *testing.T) {
	arrived := make(chan struct{})
	b, base := calm(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/wait") {
			close(arrived)
			<-r.Context().Done()
			return
		}
		html(w, "<p>fine</p>")
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := b.Render(ctx, &fetch.Request{URL: base + "/wait"})
	wantCode(t, err, fetch.CodeCancelled)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = b.Render(ctx, &fetch.Request{URL: base + "/"})
	if err != nil { // a fast machine may render it
		wantCode(t, err, fetch.CodeTimeout)
	}
	if resp, err := b.Render(t.Context(), &fetch.Request{URL: base + "/"}); err != nil || !strings.Contains(string(resp.Body), "fine") {
		t.Errorf("afterwards: %v", err)
	}
	if n, err := b.Contexts(t.Context()); n != 0 || err != nil {
		t.Errorf("%d pages are left, error %v", n, err)
	}
}

func TestNew(t *testing.T) {
	client := fetch.New(nil)
	if _, err := render.New(render.Options{Path: os.Args[0]}); err == nil || !strings.Contains(err.Error(), "Client") {
		t.Errorf("without a client: %v", err)
	}
	if _, err := render.New(render.Options{Client: client, Path: "/nowhere/chromium"}); err == nil || !strings.Contains(err.Error(), "/nowhere/chromium") {
		t.Errorf("without a program: %v", err)
	}
	if os.Geteuid() == 0 {
		if _, err := render.New(render.Options{Client: client, Path: os.Args[0]}); err == nil || !strings.Contains(err.Error(), "root") {
			t.Errorf("as root: %v", err)
		}
	}
	// A program that is no browser.
	b, err := render.New(render.Options{Client: client, Path: "/bin/true", NoSandbox: true})
	if err != nil {
		t.Skip(err)
	}
	defer b.Close()
	_, err = b.Render(t.Context(), &fetch.Request{URL: "https://example.com/"})
	wantCode(t, err, render.CodeRender)
	for _, u := range []string{"file:///etc/passwd", "data:text/html,x", "chrome://version", "http://127.0.0.1/", "javascript:1"} {
		if _, err := b.Render(t.Context(), &fetch.Request{URL: u}); err == nil {
			t.Errorf("%s was rendered", u)
		}
	}
	if _, err := b.Render(t.Context(), &fetch.Request{URL: "https://example.com/", Method: "POST"}); err == nil {
		t.Error("POST was rendered")
	}
}
