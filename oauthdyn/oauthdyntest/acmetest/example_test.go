// SPDX-License-Identifier: Apache-2.0

package acmetest_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

// A server reads its certificate from files, and a client trusts it.
func ExampleCertificate() {
	dir, err := os.MkdirTemp("", "example") // in a test: t.TempDir()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	roots := acmetest.Certificate(fakeT{}, dir) // in a test: t

	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	defer server.Close()

	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println(conn.ConnectionState().PeerCertificates[0].DNSNames)
	// Output: [localhost]
}

// fakeT stands for the *testing.T of a test, which an example does not have.
type fakeT struct{ testing.TB }

func (fakeT) Helper()           {}
func (fakeT) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// The test of a server that orders its certificate.
func ExampleStart() {
	test := func(t *testing.T) {
		// The server listens on port 5001; pebble is in the PATH.
		authority := acmetest.Start(t, "pebble", t.TempDir(), "5001", "14000", "15000")
		roots := authority.Roots(t) // that clients of the server trust
		t.Log(authority.Directory, authority.CertFile, roots)
	}
	_ = test // go test runs it
}
