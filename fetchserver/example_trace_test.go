// SPDX-License-Identifier: Apache-2.0

package fetchserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
)

// Each part of the work on a document can be timed; the package tracing of
// oauthdyn makes OpenTelemetry of that.
func ExamplePart() {
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "Hello")
	}))
	defer website.Close()

	server, err := fetchserver.New(&fetchserver.Options{
		IgnoreRobots:   true,
		AllowAddresses: []netip.AddrPort{netip.MustParseAddrPort(website.Listener.Addr().String())}, // it is on loopback
		Trace: func(ctx context.Context, p fetchserver.Part) (context.Context, func(fetchserver.PartEnd)) {
			var name fetchserver.PartName = p.Name
			fmt.Println(name, "begins")
			return ctx, func(e fetchserver.PartEnd) { fmt.Println(name, "ends:", e.Result, e.Status) }
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	if _, err := server.Fetch(context.Background(), &fetchserver.Request{URL: website.URL}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// fetch begins
	// extract begins
	// extract ends: ok 0
	// fetch ends: ok 200
}
