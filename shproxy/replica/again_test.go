// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A call is made once, also if a client says that it could be made again: by
// whom is not for this replica to decide.
func TestCallIsNotRepeated(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	var calls atomic.Int64
	var key atomic.Value
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if string(body) == "hello" {
				return
			}
			calls.Add(1)
			key.Store(r.Header.Get("Idempotency-Key") + r.Header.Get("X-Idempotency-Key"))
			panic(http.ErrAbortHandler) // the connection breaks when the call was taken
		})
	})
	a := join(t, d, testKey, nil)
	a.knows(1)
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		for _, body := range []string{"", "call", strings.Repeat("x", 2*smallBody)} {
			a.send(b.name+".1", "hello") // leaves a connection to be used again
			calls.Store(0)
			resp, _ := a.send(b.name+".1", body, header, "1")
			if resp.StatusCode != http.StatusBadGateway || calls.Load() != 1 {
				t.Errorf("%s, %d bytes: %s; the owner got it %d times", header, len(body), resp.Status, calls.Load())
			}
			if key.Load() != "1" {
				t.Errorf("%s: the owner got %q", header, key.Load())
			}
		}
	}
}
