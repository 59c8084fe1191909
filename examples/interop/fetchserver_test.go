// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
	"github.com/atrawog/mcp-oauth-gateway/examples/internal/servetest"
)

// buildFetchserver builds the command, once, and returns its path. FETCHSERVER
// names one that is built already.
var buildFetchserver = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("FETCHSERVER"); path != "" {
		return filepath.Abs(path)
	}
	return servetest.Build(context.Background(), bundle.Scratch, "fetchserver")
})

// TestFetchserver lets published clients use fetchserver, in each era that they
// speak, over HTTP and on stdio.
func TestFetchserver(t *testing.T) {
	requireSuite(t)
	program, err := buildFetchserver()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		era     era
		version string
		clients []client
	}{
		{eraLegacy, legacyVersion, []client{goSDK, typescriptV1, typescriptV2, python}},
		{eraAuto, modernVersion, []client{goSDK, typescriptV2, python}},
	} {
		for _, who := range test.clients {
			for _, transport := range []string{"HTTP", "stdio"} {
				t.Run(test.version+"/"+who.name+"/"+transport, func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), cellTimeout)
					defer cancel()
					site := newFetchSite(t)
					params := connectParams{Era: test.era, Plain: true}
					flags := []string{"--allow-private", strings.TrimPrefix(site.url, "http://"), "--log-level", "error"}
					if transport == "stdio" {
						params.Command = append([]string{program, "--stdio"}, flags...)
					} else {
						params.URL = servetest.Listen(t, program, "--port", "0", "--allow-private", strings.TrimPrefix(site.url, "http://"))
					}
					c := &conn{T: t, ctx: ctx, who: who}
					c.connect(params, test.version)
					useFetchserver(c, site, transport == "stdio" || test.version == modernVersion)
					c.do("close", nil)
				})
			}
		}
	}
}

// A fetchSite is a web site on loopback.
type fetchSite struct {
	url         string
	told        chan struct{} // the page /patient waits for its end
	asked, gone chan struct{} // of the page /endless
}

func newFetchSite(t *testing.T) *fetchSite {
	s := &fetchSite{told: make(chan struct{}), asked: make(chan struct{}, 1), gone: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html><head><title>Brücken</title></head><body><main><h1>Brücken</h1><p>They carry <a href='/loads'>loads</a>.</p></main></body></html>")
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("é", 400_000)+"the end") })
	mux.HandleFunc("/number/{n}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page number %s.", r.PathValue("n")) })
	mux.HandleFunc("/patient", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.told:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "at last")
	})
	mux.HandleFunc("/endless", func(_ http.ResponseWriter, r *http.Request) {
		s.asked <- struct{}{}
		<-r.Context().Done()
		s.gone <- struct{}{}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections() // such as one for the endless page
		server.Close()
	})
	s.url = server.URL
	return s
}

// useFetchserver does all that fetchserver has to offer. A client that can tell
// that it gives up a call does so in the end.
func useFetchserver(c *conn, site *fetchSite, canGiveUp bool) {
	found := c.list()
	c.wantAll("tools", found.Tools, []string{"fetch", "fetch_many"})
	c.wantAll("prompts", found.Prompts, []string{"fetch"})
	c.wantAll("resource templates", found.Templates, []string{"fetch://{+url}"})

	page := map[string]any{"url": site.url + "/page"}
	c.wantText("fetch", page, "# Brücken\n\nThey carry [loads]("+site.url+"/loads).")
	id, wait := c.startCall(callParams{Name: "fetch", Arguments: map[string]any{"url": site.url + "/patient"}, Progress: true})
	c.progressOf(id)
	close(site.told)
	if got := wait(); !strings.Contains(got, "at last") {
		c.Errorf("the patient page: %q", got)
	}
	var structured struct {
		Title     string
		NextIndex int `json:"next_index"`
		Results   []struct {
			Error    string
			Document *struct{ Length int }
		}
	}
	result := func(name string, arguments any) toolResult {
		c.Helper()
		r := c.call(name, arguments)
		if err := json.Unmarshal(r.StructuredContent, &structured); err != nil || r.IsError {
			c.Errorf("%s: %v, %.300s", name, err, r.text())
		}
		return r
	}
	if result("fetch", page); structured.Title != "Brücken" {
		c.Errorf("title %q", structured.Title)
	}
	result("fetch", map[string]any{"url": site.url + "/long", "max_length": 400_000})
	if structured.NextIndex != 400_000 {
		c.Errorf("the next slice begins at %d", structured.NextIndex)
	}
	c.wantText("fetch", map[string]any{"url": site.url + "/long", "start_index": structured.NextIndex}, "\nthe end")

	several := result("fetch_many", map[string]any{"urls": []string{site.url + "/number/7", site.url + "/nowhere", site.url + "/page"}})
	if got := structured.Results; len(got) != 3 || got[0].Document == nil || got[0].Document.Length != len("page number 7.") ||
		!strings.Contains(got[1].Error, "404") || !strings.Contains(several.text(), "They carry") {
		c.Errorf("fetch_many: %+v, %q", got, several.text())
	}

	c.wantToolError("fetch", map[string]any{"url": site.url + "/nowhere"}, "404")
	c.wantToolError("fetch", map[string]any{"url": "http://169.254.169.254/latest/meta-data/"}, "public")
	c.wantToolErrorOrRefusal("fetch", map[string]any{"url": site.url, "max_length": "many"})

	prompt := c.do("prompt", promptParams{Name: "fetch", Arguments: map[string]string{"url": site.url + "/page"}})
	if !strings.Contains(string(prompt), "They carry") {
		c.Errorf("prompt %s", prompt)
	}
	if raw, err := c.try("prompt", promptParams{Name: "fetch"}); err == nil {
		c.Errorf("a prompt without URL: %s", raw)
	}
	read := c.do("read", uriParams{"fetch://" + site.url + "/page"})
	if !strings.Contains(string(read), "They carry") || !strings.Contains(string(read), "text/markdown") {
		c.Errorf("resource %s", read)
	}
	if raw, err := c.try("read", uriParams{"fetch://" + site.url + "/nowhere"}); err == nil {
		c.Errorf("a resource that does not exist: %s", raw)
	}

	calls := make([]callParams, 8)
	for i := range calls {
		calls[i] = callParams{Name: "fetch", Arguments: map[string]any{"url": fmt.Sprint(site.url, "/number/", i)}}
	}
	for i, got := range c.together(calls) {
		if want := fmt.Sprintf("page number %d.", i); !strings.Contains(got, want) {
			c.Errorf("call %d: %q lacks %q", i, got, want)
		}
	}
	if canGiveUp {
		giveUpPage(c, site.url+"/endless", site.asked, site.gone)
	}
}

// TestFetchserverCheck has shclient check find no MUST that fetchserver breaks,
// in any version.
func TestFetchserverCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("builds commands of other modules, for which the workspace has the checksums")
	}
	t.Parallel()
	program, err := buildFetchserver()
	if err != nil {
		t.Fatal(err)
	}
	shclient, err := buildShclient()
	if err != nil {
		t.Fatal(err)
	}
	for transport, target := range map[string]func(t *testing.T) []string{
		"HTTP":  func(t *testing.T) []string { return []string{servetest.Listen(t, program, "--port", "0")} },
		"stdio": func(*testing.T) []string { return []string{"--", program, "--stdio", "--log-level", "error"} },
	} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			report := checked(t, shclient, append([]string{"check", "--format", "json"}, target(t)...))
			if spoken := report.spoken(); !slices.Equal(spoken, allVersions) {
				t.Errorf("it speaks %q", spoken)
			}
			if must := report.broken("MUST"); len(must) > 0 {
				t.Errorf("MUST broken: %q\n%s", must, report.findings("MUST"))
			}
		})
	}
}
