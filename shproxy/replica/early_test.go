// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"net/http"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/inbody/inbodytest"
)

func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	d := new(faulty)
	b := join(t, d, testKey, func(*Member) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	})
	a := join(t, d, testKey, nil)
	a.knows(1)
	session := http.Header{headerSession: {b.name + ".1"}}
	inbodytest.EarlyAnswer(t, a.Wrap(http.NotFoundHandler()), session, http.StatusUnauthorized)
}
