// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// scripts is a renderer that fetches the page and adds what scripts would.
type scripts struct {
	client *fetch.Client
	err    error
	ran    []string
}

func (s *scripts) Render(ctx context.Context, r *fetch.Request) (*fetch.Response, error) {
	s.ran = append(s.ran, r.URL[strings.LastIndex(r.URL, "/"):])
	if s.err != nil {
		return nil, s.err
	}
	resp, err := s.client.Do(ctx, r)
	if err == nil {
		resp.Body = []byte(strings.Replace(string(resp.Body), `<div id="root">`, `<div id="root"><h1>Made by a script</h1><p>`+strings.Repeat("Many words of text. ", 20)+`</p>`, 1))
		resp.Notes = []string{"The page did not come to rest."}
	}
	return resp, err
}

// shell is a page that its scripts fill in.
const shell = `<!DOCTYPE html><html><head><title>App</title><script src="app.js"></script></head><body><div id="root"></div></body></html>`

func TestPagesThatNeedScripts(t *testing.T) {
	base, addr := site(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "max-age=60")
		switch r.URL.Path {
		case "/robots.txt":
			http.NotFound(w, r)
		case "/whole":
			fmt.Fprint(w, `<!DOCTYPE html><title>Whole</title><h1>Whole</h1><p>`+strings.Repeat("A page with all its text. ", 20)+`<div id="root">`)
		case "/old":
			http.Redirect(w, r, "/shell", http.StatusFound)
		default:
			fmt.Fprint(w, shell)
		}
	}))
	const made = "Made by a script"
	for _, test := range []struct {
		name    string
		always  bool
		failure error
		request fetchserver.Request
		ran     []string
		text    string // "" means that it has none of a script
		notes   []string
	}{
		{"shell", false, nil, fetchserver.Request{URL: "/shell"}, []string{"/shell"}, made, []string{"after its scripts ran", "did not come to rest"}},
		{"redirected shell", false, nil, fetchserver.Request{URL: "/old"}, []string{"/shell"}, made, []string{"after its scripts ran", "did not come to rest"}},
		{"whole page", false, nil, fetchserver.Request{URL: "/whole"}, nil, "", nil},
		{"whole page, always", true, nil, fetchserver.Request{URL: "/whole"}, []string{"/whole"}, made, []string{"after its scripts ran", "did not come to rest"}},
		{"raw", true, nil, fetchserver.Request{URL: "/shell", Raw: true}, nil, "", nil},
		{"no browser", false, errors.New("no browser"), fetchserver.Request{URL: "/shell"}, []string{"/shell", "/shell"}, "", []string{"could not be run"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := &fetchserver.Options{AllowAddresses: []netip.AddrPort{addr}, RenderAlways: test.always}
			r := &scripts{client: fetch.New(o.ClientOptions()), err: test.failure}
			defer r.client.Close()
			o.Renderer = r
			s, err := fetchserver.New(o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			test.request.URL = base + test.request.URL
			for range 2 { // the second comes from the cache
				d, err := s.Fetch(t.Context(), &test.request)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(d.Text, made) != (test.text != "") || len(d.Notes) != len(test.notes) {
					t.Errorf("notes %q, text %q", d.Notes, d.Text)
				}
				for i, want := range test.notes {
					if i < len(d.Notes) && !strings.Contains(d.Notes[i], want) {
						t.Errorf("note %q, want %q", d.Notes[i], want)
					}
				}
			}
			if strings.HasPrefix(test.name, "redirected") {
				r.ran = slices.Compact(r.ran) // a redirect is not kept
			}
			if !slices.Equal(r.ran, test.ran) {
				t.Errorf("scripts ran of %q, want %q", r.ran, test.ran)
			}
		})
	}
}

// The raw form of a page does not lead to a Markdown form without its scripts,
// nor the other way round.
func TestRawAndRendered(t *testing.T) {
	base, addr := site(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, shell)
	}))
	o := &fetchserver.Options{AllowAddresses: []netip.AddrPort{addr}, IgnoreRobots: true}
	r := &scripts{client: fetch.New(o.ClientOptions())}
	defer r.client.Close()
	o.Renderer = r
	s, err := fetchserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, path := range []string{"/a", "/b"} {
		for _, raw := range []bool{path == "/a", path != "/a"} {
			d, err := s.Fetch(t.Context(), &fetchserver.Request{URL: base + path, Raw: raw})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(d.Text, "Made by a script") == raw || strings.Contains(d.Text, "app.js") != raw {
				t.Errorf("%s, raw %v: %q", path, raw, d.Text)
			}
		}
	}
}
