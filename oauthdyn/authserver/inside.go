// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// Transport returns a transport that answers requests to the origin of the
// issuer in this process, and leaves all others to next; nil refuses them. With
// it a resource in the same process reads metadata and keys where the program
// cannot reach itself under its public name, or does not listen yet.
func (s *Server) Transport(next http.RoundTripper) http.RoundTripper {
	return &inside{s, next}
}

type inside struct {
	server *Server
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (i *inside) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != i.server.origin {
		if i.next == nil {
			closeBody(r)
			return nil, fmt.Errorf("%s://%s is not the authorization server in this process", r.URL.Scheme, r.URL.Host)
		}
		return i.next.RoundTrip(r)
	}
	defer closeBody(r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	inner := r.Clone(r.Context())
	inner.RequestURI, inner.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	w := &kept{header: make(http.Header)}
	i.server.ServeHTTP(w, inner)
	w.WriteHeader(http.StatusOK) // unless it was
	return &http.Response{
		Status: fmt.Sprint(w.status, " ", http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// kept is a response in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header { return k.header }

func (k *kept) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *kept) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}
