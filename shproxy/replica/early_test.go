// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// An owner may answer before it has all of the message. What then still waits for
// the client's bytes leaves the answer alone, which over HTTP/2 would end the
// process.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	})
	a := join(t, d, testKey, nil)
	a.knows(1)
	front := httptest.NewUnstartedServer(a.Wrap(http.NotFoundHandler()))
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				from, to := io.Pipe()
				go func() { _, _ = io.WriteString(to, "some") }() // and no more
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, from)
				if err != nil {
					t.Error(err)
					return
				}
				r.ContentLength = 1 << 20
				r.Header.Set(headerSession, b.name+".1")
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				_ = from.Close()
				if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s %s", resp.Proto, resp.Status)
				}
			}
		})
	}
	all.Wait()
}
