// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const (
	aliceToken = "alice-0123456789abcdef=="
	bobToken   = "bob-0123456789abcdef"
)

func TestParseTokens(t *testing.T) {
	sum := sha256.Sum256([]byte(bobToken))
	tokens, err := parseTokens(bufio.NewScanner(strings.NewReader(
		"\ufeffalice=0" + aliceToken + "\n# people\n\nalice=" + aliceToken + "\r\nbob=sha256:" + hex.EncodeToString(sum[:]) + "\n  0123456789abcdef=  \n")))
	if err != nil {
		t.Fatal(err)
	}
	known := &staticTokens{}
	known.replace(tokens)
	for token, want := range map[string]string{
		aliceToken: "alice", "0" + aliceToken: "alice", bobToken: "bob", "0123456789abcdef=": "sha256:",
		"": "", "alice": "", "alice=" + aliceToken: "", hex.EncodeToString(sum[:]): "",
	} {
		name := ""
		p, ok := known.holder(token)
		if ok {
			name = p.Subject
		}
		if strings.HasPrefix(want, "sha256:") {
			other := sha256.Sum256([]byte(token))
			want = "sha256:" + hex.EncodeToString(other[:8])
		}
		if name != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", token, name, ok, want)
		}
	}
}

func TestParseTokensErrors(t *testing.T) {
	for text, want := range map[string]string{
		"# nothing\n":                            "no token in it; openssl rand",
		"\nshort\n":                              "line 2: a token needs at least 16 characters",
		"alice=short":                            "at least 16 characters",
		"alice smith=0123456789abcdef":           "the name has no spaces",
		"0123456789 abcdef":                      "a token holds letters",
		"a\x00b=0123456789abcdef":                "no control characters",
		strings.Repeat("a", 1<<16):               "a line is longer than 65536 bytes",
		"=0123456789abcdef":                      "want NAME=TOKEN",
		"a=sha256:12":                            "64 hexadecimal digits",
		"a=sha256:" + strings.Repeat("g", 64):    "64 hexadecimal digits",
		"a=sha256:" + strings.Repeat("0", 66):    "64 hexadecimal digits",
		"a=0123456789abcdef\nb=0123456789abcdef": "line 2: the token is there twice",
	} {
		_, err := parseTokens(bufio.NewScanner(strings.NewReader(text)))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	if _, err := openTokens(path); err == nil {
		t.Error("no error for an absent file")
	}
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS != "windows" {
		write(aliceToken, 0o644)
		if _, err := openTokens(path); err == nil || !strings.Contains(err.Error(), "everybody on this machine") {
			t.Errorf("a public file: %v", err)
		}
	}
	write("alice="+aliceToken, 0o600)
	tokens, err := openTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	write("nonsense", 0o600)
	if err := tokens.reload(); err == nil {
		t.Error("no error for a broken file")
	}
	if _, ok := tokens.holder(aliceToken); !ok {
		t.Error("a broken file took the tokens away")
	}
	write("bob="+bobToken, 0o600)
	if err := tokens.reload(); err != nil {
		t.Fatal(err)
	}
	if _, ok := tokens.holder(aliceToken); ok {
		t.Error("a token that was removed is valid")
	}
}

// What is behind does not see the token, but who holds it.
func TestTokenMiddleware(t *testing.T) {
	tokens := &staticTokens{}
	tokens.replace([]staticToken{{name: "alice", hash: sha256.Sum256([]byte(aliceToken))}})
	h := tokens.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := resource.FromContext(r.Context())
		_, _ = io.WriteString(w, p.Subject+r.Header.Get("Authorization"))
	}))
	for _, test := range []struct {
		authorization []string
		status        int
		body          string
	}{
		{nil, 401, `"this server needs a token"`},
		{[]string{"Bearer " + aliceToken}, 200, "alice"},
		{[]string{"bearer  " + aliceToken + " "}, 200, "alice"},
		{[]string{"Basic " + aliceToken}, 401, `"the token is not valid"`},
		{[]string{"Bearer"}, 401, `"the token is not valid"`},
		{[]string{"Bearer " + aliceToken, "Bearer " + aliceToken}, 401, `"the token is not valid"`},
	} {
		r := httptest.NewRequest("POST", "/mcp", nil)
		r.Header["Authorization"] = test.authorization
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) || w.Code == 200 && w.Body.String() != test.body {
			t.Errorf("%q: %d %s", test.authorization, w.Code, w.Body)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{aliceToken, "a=" + bobToken, "a=sha256:" + strings.Repeat("0a", 32), "=", "a==b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		token, err := parseToken(line)
		if err == nil && token.name == "" {
			t.Errorf("%q: a token of nobody", line)
		}
	})
}
