// SPDX-License-Identifier: Apache-2.0

package signin_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// process is a program in an environment of its own.
func process(t *testing.T, env map[string]string) (signin.Process, *strings.Builder) {
	t.Helper()
	var said strings.Builder
	lookup := func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
	return signin.Process{LookupEnv: lookup, Stderr: &said}, &said
}

func flags(t *testing.T, args ...string) *signin.Flags {
	t.Helper()
	f := &signin.Flags{}
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.Add(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCredentialFile(t *testing.T) {
	home := t.TempDir()
	p, _ := process(t, map[string]string{"XDG_CONFIG_HOME": home})
	tests := []struct {
		name string
		p    signin.Process
		args []string
		want string
	}{
		{"as the XDG base directories have it", p, nil, filepath.Join(home, "mcp-oauth-gateway", "credentials.json")},
		{"named", p, []string{"--credentials", "own.json"}, "own.json"},
	}
	if dir, err := os.UserConfigDir(); err == nil {
		bad, _ := process(t, map[string]string{"XDG_CONFIG_HOME": "relative"})
		tests = append(tests, struct {
			name string
			p    signin.Process
			args []string
			want string
		}{"a relative directory does not count", bad, nil, filepath.Join(dir, "mcp-oauth-gateway", "credentials.json")})
	}
	for _, tt := range tests {
		got, err := flags(t, tt.args...).CredentialFile(tt.p)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestPaste signs in with a browser that cannot reach the listener: the person
// copies the address that it ends at.
func TestPaste(t *testing.T) {
	s := oauthdyntest.New(t, nil)
	p, _ := process(t, map[string]string{"XDG_CONFIG_HOME": t.TempDir()})
	person := &person{t: t, browser: s.Browser(), page: make(chan string, 1)}
	p.Stderr, p.Stdin = person, person
	cfg, err := flags(t, "--no-browser").Config(s.ResourceURL, p)
	if err != nil {
		t.Fatal(err)
	}
	client, err := oauthdyn.New(*cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another program finds the login without a browser.
	other, err := flags(t).Config(s.ResourceURL, p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := oauthdyn.New(*other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.TokenSource(t.Context()).Token(); err != nil {
		t.Error(err)
	}
}

// person reads the address on the screen and pastes the one that the browser
// ends at.
type person struct {
	t       *testing.T
	browser *oauthdyntest.Browser
	page    chan string
}

func (p *person) Write(text []byte) (int, error) {
	for word := range strings.FieldsSeq(string(text)) {
		if strings.HasPrefix(word, "http://") {
			p.page <- word
		}
	}
	return len(text), nil
}

func (p *person) Read(into []byte) (int, error) {
	at, err := p.browser.Authorize(context.Background(), <-p.page)
	if err != nil {
		p.t.Error(err)
		return 0, err
	}
	return copy(into, at.String()+"\n"), nil
}

// TestNobodyPastes waits for the redirect when there is nobody at standard
// input.
func TestNobodyPastes(t *testing.T) {
	s := oauthdyntest.New(t, nil)
	p, _ := process(t, map[string]string{"XDG_CONFIG_HOME": t.TempDir()})
	browser := s.Browser()
	opener := &opener{t: t, browser: browser}
	p.Stderr, p.Stdin = opener, strings.NewReader("\n")
	cfg, err := flags(t, "--no-browser").Config(s.ResourceURL, p)
	if err != nil {
		t.Fatal(err)
	}
	client, err := oauthdyn.New(*cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(t.Context()); err != nil {
		t.Error(err)
	}
	opener.opening.Wait()
}

// opener is a person whose browser reaches the listener after all.
type opener struct {
	t       *testing.T
	browser *oauthdyntest.Browser
	opening sync.WaitGroup
}

func (o *opener) Write(text []byte) (int, error) {
	for word := range strings.FieldsSeq(string(text)) {
		if strings.HasPrefix(word, "http://") {
			o.opening.Go(func() {
				if err := o.browser.Open(context.Background(), word); err != nil {
					o.t.Error(err)
				}
			})
		}
	}
	return len(text), nil
}

func TestBrowserThatDoesNotStart(t *testing.T) {
	p, said := process(t, map[string]string{"BROWSER": "nowhere/browser", "XDG_CONFIG_HOME": t.TempDir()})
	cfg, err := flags(t).Config("https://mcp.example.com/mcp", p)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.OpenURL(t.Context(), "https://auth.example.com/authorize"); err != nil {
		t.Error(err)
	}
	if got := said.String(); !strings.Contains(got, "The browser does not open (") || !strings.Contains(got, "  https://auth.example.com/authorize\n") {
		t.Errorf("said %q", got)
	}
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	tests := []struct{ name, at, stdin, want, refused string }{
		{"one line", file("one", " pass word \n"), "", "pass word", ""},
		{"standard input", "-", "sesame\n", "sesame", ""},
		{"no line", file("none", "\n"), "", "", "must hold one line"},
		{"two lines", file("two", "hush\nhush\n"), "", "", "must hold one line"},
		{"two lines of standard input", "-", "hush\nhush\n", "", "standard input must hold one line"},
		{"too large", file("large", strings.Repeat("x", 65<<10)), "", "", "larger than 65536 bytes"},
		{"absent", filepath.Join(dir, "absent"), "", "", "absent"},
	}
	for _, tt := range tests {
		got, err := signin.ReadSecret(tt.at, strings.NewReader(tt.stdin))
		switch {
		case tt.refused == "" && (err != nil || got != tt.want):
			t.Errorf("%s: %q, %v", tt.name, got, err)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused) || strings.Contains(err.Error(), "hush")):
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := signin.ReadSecret("-", nil); err == nil || !strings.Contains(err.Error(), "name a file") {
		t.Errorf("a program that uses its standard input otherwise: %v", err)
	}
}
