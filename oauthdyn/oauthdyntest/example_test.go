// SPDX-License-Identifier: Apache-2.0

package oauthdyntest_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

func ExampleNew() {
	test := func(t *testing.T) {
		srv := oauthdyntest.New(t, &oauthdyntest.Options{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p, _ := resource.FromContext(r.Context())
				fmt.Fprint(w, "called by ", p.Username)
			}),
		})
		client, err := oauthdyn.New(oauthdyn.Config{
			Resource:   srv.ResourceURL,
			ClientName: "example",
			OpenURL:    srv.Browser().Open,
		})
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.HTTPClient().Get(srv.ResourceURL) // signs in on the way
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if string(body) != "called by alice" {
			t.Errorf("got %q, %v", body, err)
		}
	}
	_ = test // go test runs it
}
