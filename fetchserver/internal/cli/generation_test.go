// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

// What an old generation works with is there as long as it has a request.
func TestOldGenerationEndsWithItsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		newGeneration := func(h http.HandlerFunc, closed *bool) *generation {
			s, err := fetchserver.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			return &generation{Handler: h, server: s, parts: &parts{closers: []func(){func() { *closed = true }}}}
		}
		release := make(chan struct{})
		var c current
		var firstClosed, secondClosed bool
		c.replace(newGeneration(func(http.ResponseWriter, *http.Request) { <-release }, &firstClosed))
		go c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		synctest.Wait()
		c.replace(newGeneration(func(http.ResponseWriter, *http.Request) {}, &secondClosed))
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)) // the second one answers
		synctest.Wait()
		if firstClosed {
			t.Error("the old generation was closed under its request")
		}
		close(release)
		synctest.Wait()
		if !firstClosed || secondClosed {
			t.Errorf("closed: %v, %v, want the first", firstClosed, secondClosed)
		}
		c.close()
		if !secondClosed {
			t.Error("the last generation was not closed")
		}
	})
}
