// SPDX-License-Identifier: Apache-2.0

package oauthdyntest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// A client calls a protected server, and a person signs in on the way.
func ExampleNew() {
	t := newT() // in a test: the one that go test passes
	defer t.end()

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
	res, err := client.HTTPClient().Get(srv.ResourceURL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)
	// Output: called by alice <nil>
}

// A client lives through what servers do: here its refresh tokens are refused.
func ExampleFaults() {
	t := newT() // in a test: the one that go test passes
	defer t.end()

	srv := oauthdyntest.New(t, nil)
	client, err := oauthdyn.New(oauthdyn.Config{Resource: srv.ResourceURL, OpenURL: srv.Browser().Open})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.SetFaults(oauthdyntest.Faults{RefreshRevoked: true})
	_, err = client.Refresh(t.Context())
	fmt.Println(errors.Is(err, oauthdyn.ErrNotSignedIn))
	// Output: true
}

// An app with a web site of its own, which need not register.
func ExampleNewClientDocument() {
	t := newT() // in a test: the one that go test passes
	defer t.end()

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
	fmt.Println("registrations:", srv.Requests("/register"))
	// Output: registrations: 0
}

// fakeT stands for the *testing.T of a test, which an example does not have.
type fakeT struct {
	testing.TB
	cleanups []func()
}

func newT() *fakeT { return &fakeT{} }

func (t *fakeT) Helper()                  {}
func (t *fakeT) Context() context.Context { return context.Background() }
func (t *fakeT) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }
func (t *fakeT) Fatal(args ...any)        { panic(fmt.Sprint(args...)) }

func (t *fakeT) TempDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (t *fakeT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}
