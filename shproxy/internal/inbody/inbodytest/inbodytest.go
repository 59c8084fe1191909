// SPDX-License-Identifier: Apache-2.0

// Package inbodytest tests handlers that pass bodies of clients on.
package inbodytest

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// EarlyAnswer has clients send h a part of a message, with the header, to somebody
// who answers with the status before he has all of it. What then still waits for
// the client's bytes has to leave the answer alone, or over HTTP/2 the process
// ends.
func EarlyAnswer(t *testing.T, h http.Handler, header http.Header, status int) {
	t.Helper()
	front := httptest.NewUnstartedServer(h)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				send(t, transport, front.URL, header, status)
			}
		})
	}
	all.Wait()
}

func send(t *testing.T, transport http.RoundTripper, url string, header http.Header, status int) {
	from, to := io.Pipe()
	defer from.Close()
	go func() { _, _ = io.WriteString(to, "some") }() // and no more
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, from)
	if err != nil {
		t.Error(err)
		return
	}
	r.ContentLength, r.Header = 1<<20, header.Clone()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != status {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
}
