// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/testserver"
)

// A body of any size up to the limit is read whole, however it comes and
// whether its length is known, and takes little more room than its size.
func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	proxy, _ := newTestProxy(t, testserver.Good, &Options{MaxMessageBytes: limit})
	for _, size := range []int{0, 1, 511, 512, 513, trustedLength - 1, trustedLength, trustedLength + 1, 4*trustedLength + 1, limit - 1, limit, limit + 1, 2 * limit} {
		text := strings.Repeat("x", size)
		for name, length := range map[string]int64{"known": int64(size), "unknown": -1} {
			for step, body := range map[string]io.Reader{"whole": strings.NewReader(text), "bits": &bits{strings.NewReader(text)}} {
				r := httptest.NewRequest(http.MethodPost, "/", body)
				r.Header.Set("Content-Type", "application/json")
				r.ContentLength = length
				var f session.Frame
				problem := proxy.readBody(httptest.NewRecorder(), r, &f)
				switch {
				case size > limit:
					if problem == nil || problem.status != http.StatusRequestEntityTooLarge {
						t.Errorf("%d bytes, %s, %s: %+v", size, name, step, problem)
					}
				case problem != nil || string(f.Data) != text:
					t.Errorf("%d bytes, %s, %s: got %d, %+v", size, name, step, len(f.Data), problem)
				}
				if most := max(4*size, limit) + 1; cap(f.Data) > min(most, limit+1) {
					t.Errorf("%d bytes, %s, %s: took room for %d", size, name, step, cap(f.Data))
				}
				if length > 0 && size <= limit && cap(f.Data) > size+512 {
					t.Errorf("%d bytes, %s, %s: took room for %d", size, name, step, cap(f.Data))
				}
			}
		}
	}
}

// bits reads a little at a time.
type bits struct{ r io.Reader }

func (b *bits) Read(p []byte) (int, error) { return b.r.Read(p[:min(len(p), 1000)]) }

// The promise of a length costs nothing: memory is taken as the bytes come.
func TestPromisedLength(t *testing.T) {
	t.Parallel()
	proxy, _ := newTestProxy(t, testserver.Good, nil)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"jsonrpc`))
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = defaultMaxMessageBytes
	var f session.Frame
	if problem := proxy.readBody(httptest.NewRecorder(), r, &f); problem != nil { // the server of net/http would refuse
		t.Errorf("%+v", problem)
	}
	if cap(f.Data) > 2*trustedLength {
		t.Errorf("took %d bytes", cap(f.Data))
	}
}
