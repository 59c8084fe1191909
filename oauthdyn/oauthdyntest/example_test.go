// SPDX-License-Identifier: Apache-2.0

package oauthdyntest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
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

// A client lives through what servers do: here its refresh tokens are refused.
func ExampleFaults() {
	test := func(t *testing.T) {
		srv := oauthdyntest.New(t, nil)
		client, err := oauthdyn.New(oauthdyn.Config{Resource: srv.ResourceURL, OpenURL: srv.Browser().Open})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		srv.SetFaults(oauthdyntest.Faults{RefreshRevoked: true})
		if _, err := client.Refresh(t.Context()); !errors.Is(err, oauthdyn.ErrNotSignedIn) {
			t.Errorf("got %v, want one that tells to sign in again", err)
		}
	}
	_ = test // go test runs it
}

// An app with a web site of its own, which need not register.
func ExampleNewClientDocument() {
	test := func(t *testing.T) {
		app := oauthdyntest.NewClientDocument(t, oauthdyn.ClientMetadata{ClientName: "App"})
		srv := oauthdyntest.New(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
			o.ClientDocuments.Transport = app.Transport()
		}})
		var person *oauthdyntest.Browser = srv.Browser()
		client, err := oauthdyn.New(oauthdyn.Config{
			Resource: srv.ResourceURL, ClientMetadataURL: app.URL, OpenURL: person.Open,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Authenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := srv.Requests("/register"); n != 0 {
			t.Errorf("registered %d times", n)
		}
	}
	_ = test // go test runs it
}
