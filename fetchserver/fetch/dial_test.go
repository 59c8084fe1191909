// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

func TestDialContext(t *testing.T) {
	_, addr := origin(t, func(http.ResponseWriter, *http.Request) {})
	conn, err := client(t, fetch.Options{}, addr).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	_, port, _ := net.SplitHostPort(addr.String())
	for _, address := range []string{addr.String(), "localhost:" + port, "[::ffff:127.0.0.1]:" + port, "[::1]:" + port} {
		_, err := client(t, fetch.Options{Ports: []uint16{addr.Port()}}).DialContext(t.Context(), "tcp", address)
		wantCode(t, err, fetch.CodeAddress)
	}
}
