// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

const (
	maxTokens = 10_000
	// minToken is a length that cannot be guessed, if the token is random.
	minToken = 16
	// tokenIssuer is the issuer of static tokens, where one has to be named.
	tokenIssuer = "token-file"
)

// staticTokens are the bearer tokens of a file: one on each line, as TOKEN,
// NAME=TOKEN or NAME=sha256:HEX. Only hashes are kept.
type staticTokens struct {
	path   string
	tokens atomic.Pointer[[]staticToken]
}

type staticToken struct {
	name   string // who holds it
	hash   [sha256.Size]byte
	valid  context.Context // ends when the token is taken out of the file
	revoke context.CancelFunc
}

func openTokens(path string) (*staticTokens, error) {
	t := &staticTokens{path: path}
	return t, makeSecret(path, t.reload())
}

// reload reads the file again. After an error the tokens are the same as
// before.
func (t *staticTokens) reload() error {
	f, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return &hintedError{fmt.Errorf("everybody on this machine can read or change %s", t.path), "chmod 600 " + t.path}
	}
	tokens, err := parseTokens(bufio.NewScanner(f))
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	t.replace(tokens)
	return nil
}

func parseTokens(lines *bufio.Scanner) ([]staticToken, error) {
	var tokens []staticToken
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // as some editors write
		}
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		token, err := parseToken(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		for _, other := range tokens {
			if other.hash == token.hash {
				return nil, fmt.Errorf("line %d: the token is there twice", number)
			}
		}
		if tokens = append(tokens, token); len(tokens) > maxTokens {
			return nil, fmt.Errorf("more than %d tokens", maxTokens)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("a line is longer than %d bytes", bufio.MaxScanTokenSize)
	} else if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return nil, errors.New("no token in it; openssl rand -hex 32 makes one")
	}
	return tokens, nil
}

// parseToken reads a line. A token itself has equal signs at its end only
// (RFC 6750 section 2.1), so that the first one before something else ends the
// name.
func parseToken(line string) (t staticToken, err error) {
	name, value, named := strings.Cut(line, "=")
	if strings.Trim(value, "=") == "" {
		name, value, named = "", line, false
	}
	if named && (name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) })) {
		return t, errors.New("want NAME=TOKEN, where the name has no spaces and no control characters")
	}
	if digest, ok := strings.CutPrefix(value, "sha256:"); ok {
		n, err := hex.Decode(t.hash[:], []byte(digest[:min(len(digest), 2*len(t.hash))]))
		if err != nil || n != len(t.hash) || len(digest) != 2*n {
			return t, errors.New("after sha256: come 64 hexadecimal digits")
		}
	} else {
		if !consistsOf(value, token68) {
			return t, errors.New("a token holds letters, digits and -._~+/= alone")
		}
		if len(value) < minToken {
			return t, fmt.Errorf("a token needs at least %d characters; openssl rand -hex 32 makes one", minToken)
		}
		t.hash = sha256.Sum256([]byte(value))
	}
	if t.name = name; !named {
		t.name = "sha256:" + hex.EncodeToString(t.hash[:8])
	}
	return t, nil
}

// holder returns who holds the token. It takes the same time for all tokens that
// are not there.
func (t *staticTokens) holder(token string) (p *resource.Principal, ok bool) {
	hash := sha256.Sum256([]byte(token))
	for _, known := range *t.tokens.Load() {
		if subtle.ConstantTimeCompare(hash[:], known.hash[:]) == 1 {
			p, ok = known.principal(), true
		}
	}
	return p, ok
}

const challengeInvalid = `Bearer realm="shproxy", error="invalid_token"`

// middleware lets requests with one of the tokens pass, with the principal in
// their context and without the token.
func (t *staticTokens) middleware(next http.Handler) http.Handler {
	next = t.whileValid(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Values("Authorization")
		if len(authorization) == 0 {
			t.refuse(w, `Bearer realm="shproxy"`, "this server needs a token")
			return
		}
		scheme, token, _ := strings.Cut(authorization[0], " ")
		holder, ok := t.holder(strings.Trim(token, " "))
		if len(authorization) > 1 || !strings.EqualFold(scheme, "bearer") || !ok {
			t.refuse(w, challengeInvalid, "the token is not valid")
			return
		}
		inner := r.WithContext(resource.NewContext(r.Context(), holder))
		inner.Header = maps.Clone(r.Header)
		inner.Header.Del("Authorization")
		next.ServeHTTP(w, inner)
	})
}

func (t *staticTokens) refuse(w http.ResponseWriter, challenge, description string) {
	h := w.Header()
	h.Set("WWW-Authenticate", challenge)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(oauthdyn.Error{Code: oauthdyn.CodeInvalidToken, Description: description})
}

// alsoStatic is a verifier that takes the static tokens as well as those of
// the authorization servers.
type alsoStatic struct {
	tokens   *staticTokens
	audience string
	scopes   []string
	next     resource.Verifier
}

func (v *alsoStatic) Verify(ctx context.Context, token string) (*resource.Principal, error) {
	p, ok := v.tokens.holder(token)
	if !ok {
		return v.next.Verify(ctx, token)
	}
	p.Audience, p.Scopes = []string{v.audience}, v.scopes
	return p, nil
}
