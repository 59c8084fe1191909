// SPDX-License-Identifier: Apache-2.0

package oauthdyntest

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// A ClientDocument is the web site of an app that publishes its client ID
// metadata document, so that it needs no registration
// (draft-ietf-oauth-client-id-metadata-document):
//
//	app := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "App"})
//	srv := oauthdyntest.New(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
//		o.ClientDocuments.Transport = app.Transport()
//	}})
//
// The authorization server remembers a document for five minutes at least;
// Server.Restart makes it read a changed one. It is safe for concurrent use.
type ClientDocument struct {
	URL  string           // of the document: the client id
	Site *httptest.Server // that serves it, by https

	handler atomic.Pointer[http.Handler]
}

// NewClientDocument starts the site and stops it when the test ends. What the
// metadata leaves out is as NewMetadataHandler has it.
func NewClientDocument(tb testing.TB, m oauthdyn.ClientMetadata) *ClientDocument {
	tb.Helper()
	d := &ClientDocument{}
	d.Site = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }))
	tb.Cleanup(d.Site.Close)
	d.URL = d.Site.URL + "/client.json"
	d.Publish(tb, m)
	return d
}

// Publish replaces the document.
func (d *ClientDocument) Publish(tb testing.TB, m oauthdyn.ClientMetadata) {
	tb.Helper()
	h, err := oauthdyn.NewMetadataHandler(d.URL, m)
	if err != nil {
		tb.Fatalf("oauthdyntest: %v", err)
	}
	d.Serve(h)
}

// Serve replaces the whole site, as by one that is down, or lies.
func (d *ClientDocument) Serve(h http.Handler) { d.handler.Store(&h) }

// Host is the host of the site, with its port.
func (d *ClientDocument) Host() string { return strings.TrimPrefix(d.Site.URL, "https://") }

// Transport reaches the site, whose certificate and address nobody else trusts.
func (d *ClientDocument) Transport() http.RoundTripper {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: d.Site.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		DisableKeepAlives: true, // nobody closes them
	}
}
