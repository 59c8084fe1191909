// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

const headerSession = "Mcp-Session-Id"

// seal binds session ids to callers by a code behind them, so that nothing
// about sessions has to be remembered.
type seal struct{ key [32]byte }

func newSeal(key []byte) *seal {
	s := &seal{}
	if copy(s.key[:], key) < len(s.key) {
		_, _ = rand.Read(s.key[:]) // it cannot fail
	}
	return s
}

func (s *seal) code(id, caller string) string {
	mac := hmac.New(sha256.New, s.key[:])
	// Ids have no zero byte, so that the two cannot be confused.
	_, _ = io.WriteString(mac, id+"\x00"+caller)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// close adds the code to the session id of a response.
func (s *seal) close(h http.Header, caller string) {
	if id := h.Get(headerSession); id != "" {
		h.Set(headerSession, id+"."+s.code(id, caller))
	}
}

// open takes the code off the session id of a request. It reports whether the
// session is the caller's.
func (s *seal) open(r *http.Request, caller string) bool {
	values := r.Header[headerSession]
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	sealed := values[0]
	i := strings.LastIndexByte(sealed, '.')
	if i < 0 || !hmac.Equal([]byte(s.code(sealed[:i], caller)), []byte(sealed[i+1:])) {
		return false
	}
	r.Header.Set(headerSession, sealed[:i])
	return true
}
