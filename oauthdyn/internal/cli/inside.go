// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// inside is an http.RoundTripper that reaches the server in this process
// without a connection, since its address is that of the proxy before it, which
// may start later. It makes no other requests.
type inside struct {
	origin string
	server http.Handler
}

// RoundTrip implements http.RoundTripper.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), i.origin+"/") {
		return nil, http.ErrNotSupported
	}
	inner := r.Clone(r.Context())
	inner.RequestURI, inner.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	w := &kept{header: make(http.Header), status: http.StatusOK}
	i.server.ServeHTTP(w, inner)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// kept is a response in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }
