// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// elsewhere is a browser on another machine: it goes to a page, cannot follow
// the redirect and shows its address.
func elsewhere(ctx context.Context, page string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer drain(resp.Body)
	return resp.Header.Get("Location"), nil
}

func TestPasteBack(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) {
		c.OpenURL = nil
		c.ReadRedirect = func(ctx context.Context, page string) (string, error) {
			at, err := elsewhere(ctx, page)
			return "  <" + at + ">\r\n", err
		}
	})
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 200 {
		t.Errorf("status %d", status)
	}
	if got := f.regs[0]["application_type"]; got != ApplicationTypeNative {
		t.Errorf("registered as %v", got)
	}
}

// A browser on the same machine wins, whoever waits at the terminal.
func TestPasteBackIsNotNeeded(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) {
		c.ReadRedirect = func(context.Context, string) (string, error) { select {} }
	})
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPasteBackRefuses(t *testing.T) {
	change := func(change func(u *url.URL)) func(string) (string, error) {
		return func(at string) (string, error) {
			u, err := url.Parse(at)
			if err == nil {
				change(u)
			}
			return u.String(), err
		}
	}
	tests := []struct {
		name  string
		paste func(at string) (string, error)
		want  string
	}{
		{"nothing", func(string) (string, error) { return "", nil }, "starts with http://127.0.0.1:"},
		{"another page", func(string) (string, error) { return "https://as.example/consent?code=hush", nil }, "starts with http://127.0.0.1:"},
		{"another host", change(func(u *url.URL) { u.Host = "evil.example" }), "starts with"},
		{"another path", change(func(u *url.URL) { u.Path = "/" }), "starts with"},
		{"not a URL", func(string) (string, error) { return "http://127.0.0.1:1\x00hush", nil }, "not a URL"},
		{"a book", func(at string) (string, error) { return at + strings.Repeat("x", 20000), nil }, "longer than"},
		{"S113 another state", change(func(u *url.URL) { u.RawQuery = "code=hush&state=x" }), "wrong state"},
		{"end of input", func(string) (string, error) { return "", errors.New("terminal closed") }, "terminal closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			_, err := f.client(func(c *Config) {
				c.OpenURL = nil
				c.ReadRedirect = func(ctx context.Context, page string) (string, error) {
					at, err := elsewhere(ctx, page)
					if err != nil {
						return "", err
					}
					return tt.paste(at)
				}
			}).Authenticate(t.Context())
			wantError(t, err, tt.want)
			if strings.Contains(err.Error(), "hush") || f.count("POST /token") != 0 {
				t.Errorf("%d token requests, error %v", f.count("POST /token"), err)
			}
		})
	}
}

// A program with a web address of its own: no listener, a web application.
func TestC11WebApplication(t *testing.T) {
	const uri = "https://app.example/oauth/callback"
	f := newFake(t)
	store := NewMemoryStore()
	with := func(c *Config) { c.Store, c.OpenURL, c.RedirectURI, c.ReadRedirect = store, nil, uri, elsewhere }
	for range 2 {
		if _, err := f.client(with).Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if m := f.regs[0]; m["application_type"] != ApplicationTypeWeb || m["redirect_uris"].([]any)[0] != uri || len(f.regs) != 1 {
		t.Errorf("registered %v", f.regs)
	}
	if got := f.lastAsked().Get("redirect_uri"); got != uri {
		t.Errorf("redirect URI %s", got)
	}
	for name, change := range map[string]func(*Config){
		"nobody reads":  func(c *Config) { c.ReadRedirect = nil },
		"and a port":    func(c *Config) { c.CallbackPort = 1 },
		"script":        func(c *Config) { c.RedirectURI = "javascript:x" },
		"with fragment": func(c *Config) { c.RedirectURI = uri + "#x" },
	} {
		cfg := f.config()
		with(&cfg)
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
