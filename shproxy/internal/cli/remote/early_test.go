// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/inbody/inbodytest"
)

func TestEarlyAnswer(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer there.Close()
	s, err := New(Config{Name: "there", URL: there.URL, MaxMessageBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inbodytest.EarlyAnswer(t, s, http.Header{}, http.StatusForbidden)
}
