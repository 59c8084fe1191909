// SPDX-License-Identifier: Apache-2.0

package redirecturi

import (
	"net/url"
	"strings"
	"testing"
)

// knownClients are redirect URIs that MCP clients register.
var knownClients = []string{
	"https://claude.ai/api/mcp/auth_callback",
	"https://claude.com/api/mcp/auth_callback",
	"http://localhost:54321/callback",
	"https://chatgpt.com/connector_platform_oauth_redirect",
	"https://chatgpt.com/connector/oauth/abc_DEF-123",
	"https://vscode.dev/redirect",
	"https://insiders.vscode.dev/redirect",
	"http://127.0.0.1/",
	"http://127.0.0.1:33418/",
	"cursor://anysphere.cursor-mcp/oauth/callback",
	"https://www.cursor.com/agents/mcp/oauth/callback",
	"http://localhost:8787/callback",
	"http://localhost:7777/oauth/callback",
	"http://127.0.0.1:1455/callback/0123abcdef",
	"http://localhost:1234/callback",
	"http://localhost/callback",
	"http://127.0.0.1/callback",
	"http://[::1]:8080/callback",
	"com.example.app:/oauth2redirect",
	"com.example.app://oauth/cb?x=1",
	"https://example.com",
	"https://example.com:8443/cb?tenant=1&x=%C3%A4",
	"https://xn--e1afmkfd.example/cb",
	"vscode://vscode.github-authentication/did-authenticate",
}

func TestKnownClientsCanRegister(t *testing.T) {
	for _, uri := range knownClients {
		if err := Check(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestS2S3S4S7Refused(t *testing.T) {
	groups := map[string][]string{
		"S2 schemes": {
			"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://x/y",
			"about:blank", "ftp://example.com/", "ws://example.com/", "mailto:a@b", "intent://x", "myapp://cb", "urn:ietf:wg:oauth:2.0:oob",
			" javascript:alert(1)", "\tjavascript:alert(1)", "java\nscript:alert(1)", "\x00javascript:alert(1)", "javascript\x0d:x",
			"%6aavascript:alert(1)", "https://example.com/%00", "https://example.com/%0d%0aSet-Cookie:x", "https://example.com/a\x7f",
			"", "/relative", "//example.com/cb", "example.com/cb", ":",
		},
		"S3 authority": {
			"https://example.com/#frag", "https://example.com/#", "https://good@evil/", "https://a:b@evil/", "https://good@a@evil/", "https://good%40x@evil/",
			`https://good\@evil/`, `https://evil\.good/`, "https:///cb", "https://", "https://:8443/", "https:cb", "https://*.example.com/", "https://example.com:*/",
			"https://example.com:0/", "https://example.com:65536/", "https://example.com:/", "https://example.com:99999999/", "https://ex ample.com/",
			"https://exämple.com/", "https://example%2ecom/", "https://a,b/", "https://.example.com/", "https://a..b/", "https://[::1%25eth0]/",
		},
		"S3 path": {
			"https://example.com/a/../b", "https://example.com/..", "https://example.com/./a", "https://example.com/a/..;/b", "https://example.com/%2e%2e/b",
			"https://example.com/a%2fb", "https://example.com/a%2F..%2Fb", "https://example.com/a%5cb", "https://example.com/%zz", "https://example.com/%4",
			"https://example.com/<script>", "https://example.com/\"", "https://example.com/@evil", "com.example.app:/a/../b",
		},
		"S4 http": {
			"http://example.com/", "http://localhost.evil.com/", "http://127.0.0.1.nip.io/", "http://localhost:80@evil.com/", "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/",
			"http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1%25eth0]/", "http://[::]/", "http://LOCALHOST/", "http://localhost./", "http://127.0.0.2/",
			"http://localhost:65536/", "http://localhost:0/", "http://localhost:/cb", "http://localhost@evil/", "http://10.0.0.1/",
			"HTTP://localhost/", "Http://127.0.0.1:1234/", // the consent page would not take them for loopback
		},
		"S12 response parameters": {
			"https://example.com/?code=x", "https://example.com/?a=1&state=x", "https://example.com/?iss=x", "https://example.com/?error=x", "https://example.com/?%63ode=x", "https://example.com/?a;b",
		},
		"size": {"https://example.com/" + strings.Repeat("a", 2048)},
	}
	for name, uris := range groups {
		for _, uri := range uris {
			if err := Check(uri); err == nil {
				t.Errorf("%s: %q was accepted", name, uri)
			}
		}
	}
}

func TestS5S6Match(t *testing.T) {
	for _, test := range []struct {
		name, registered, given string
		want                    bool
	}{
		{"equal", "https://a.example/cb?x=1", "https://a.example/cb?x=1", true},
		{"S5 other port", "http://127.0.0.1:1000/cb", "http://127.0.0.1:2000/cb", true},
		{"S5 port registered without", "http://localhost/callback", "http://localhost:5555/callback", true},
		{"S5 port given without", "http://[::1]:1/cb", "http://[::1]/cb", true},
		{"S5 query kept", "http://127.0.0.1/cb?a=b", "http://127.0.0.1:9/cb?a=b", true},
		{"S5 vscode", "http://127.0.0.1/", "http://127.0.0.1:33418/", true},
		{"S5 other literal", "http://localhost/cb", "http://127.0.0.1/cb", false},
		{"S5 IPv6 literal", "http://127.0.0.1/cb", "http://[::1]/cb", false},
		{"S5 path", "http://127.0.0.1/cb", "http://127.0.0.1:1/cb/", false},
		{"S5 query", "http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x", false},
		{"S5 scheme", "http://localhost/cb", "https://localhost/cb", false},
		{"S5 scheme of registration", "https://localhost:1/cb", "https://localhost:2/cb", false},
		{"S5 port as user", "http://localhost/cb", "http://localhost:80@evil/cb", false},
		{"S5 password after port", "http://localhost:1/cb", "http://localhost:pw@evil/cb", false},
		{"S5 name continues", "http://localhost/cb", "http://localhost.evil/cb", false},
		{"S5 port out of range", "http://localhost/cb", "http://localhost:99999/cb", false},
		{"S5 empty port", "http://localhost/cb", "http://localhost:/cb", false},
		{"S5 fragment", "http://localhost/cb", "http://localhost:1/cb#x", false},
		{"S6 case of path", "https://a.example/cb", "https://a.example/CB", false},
		{"S6 case of host", "https://a.example/cb", "https://A.example/cb", false},
		{"S6 slash", "https://a.example/cb", "https://a.example/cb/", false},
		{"S6 default port", "https://a.example/cb", "https://a.example:443/cb", false},
		{"S6 percent case", "https://a.example/%C3", "https://a.example/%c3", false},
		{"S6 extra query", "https://a.example/cb", "https://a.example/cb?x=1", false},
		{"S6 prefix", "https://a.example/cb", "https://a.example/cb2", false},
		{"S6 private scheme", "cursor://a/b", "cursor://a/c", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Match([]string{"https://other.example/", test.registered}, test.given); got != test.want {
				t.Errorf("registered %s, given %s: %v", test.registered, test.given, got)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	params := url.Values{"code": {"a b"}}
	for uri, want := range map[string]string{
		"https://a.example/cb":      "https://a.example/cb?code=a+b",
		"https://a.example/cb?x=%2": "https://a.example/cb?x=%2&code=a+b",
		"https://a.example/cb?":     "https://a.example/cb?code=a+b",
		"https://a.example/cb?x&":   "https://a.example/cb?x&code=a+b",
		"com.example.app:/cb":       "com.example.app:/cb?code=a+b",
	} {
		if got := Append(uri, params); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

// FuzzCheck looks for URIs that are accepted but lead somewhere else than they
// seem to.
func FuzzCheck(f *testing.F) {
	for _, uri := range knownClients {
		f.Add(uri)
	}
	f.Add("https://good@evil/")
	f.Add("http://localhost:80@evil.com/")
	f.Add(`https://a\b/`)
	f.Fuzz(func(t *testing.T, uri string) {
		if Check(uri) != nil {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		if u.User != nil || u.Fragment != "" {
			t.Errorf("%q has a user or fragment", uri)
		}
		switch h := u.Hostname(); {
		case u.Scheme == "http" && h != "localhost" && h != "127.0.0.1" && h != "::1":
			t.Errorf("%q: http to %s", uri, h)
		case u.Scheme == "https" && h == "":
			t.Errorf("%q has no host", uri)
		}
		if !Match([]string{uri}, uri) {
			t.Errorf("%q does not match itself", uri)
		}
		if IsLoopback(uri) {
			host, rest, _ := splitLoopback(uri)
			if moved := "http://" + host + ":4711" + rest; !Match([]string{uri}, moved) || Check(moved) != nil {
				t.Errorf("%q does not match %q", uri, moved)
			}
		}
	})
}
