// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A server may answer before it has all of the message. What then still waits for
// the client's bytes leaves the answer alone, which over HTTP/2 would end the
// process.
func TestEarlyAnswer(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer there.Close()
	s, err := New(Config{Name: "there", URL: there.URL, MaxMessageBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	front := httptest.NewUnstartedServer(s)
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
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				_ = from.Close()
				if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusForbidden {
					t.Errorf("%s %s", resp.Proto, resp.Status)
				}
			}
		})
	}
	all.Wait()
}
