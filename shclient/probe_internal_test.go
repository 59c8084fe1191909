// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
)

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server may take ten seconds for the probe, and a person all the time that a
// login needs.
func TestProbeDoesNotCountTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := 9 * time.Second
		server := roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if !sleep(r.Context(), slow) {
				return nil, r.Context().Err()
			}
			body := `{"jsonrpc":"2.0","id":"discover","result":{"supportedVersions":["` + era.Modern + `"]}}`
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})
		b, err := NewBridge(Options{URL: "https://example.com/mcp", HTTPClient: &http.Client{Transport: server}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		behind := b.endpoint.client.Transport
		b.endpoint.client.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Hour) // a person logs in
			return behind.RoundTrip(r)
		})
		r := newRouter(t.Context(), b, func([]byte) {})
		if server, err := r.speaks(t.Context(), era.Profile{}, false); server != EraModern || err != nil {
			t.Errorf("%v, %v after a login", server, err)
		}
		slow = 11 * time.Second
		if server, err := r.speaks(t.Context(), era.Profile{}, true); server != EraLegacy || err != nil {
			t.Errorf("%v, %v after a silence", server, err)
		}
		r.close()
	})
}
