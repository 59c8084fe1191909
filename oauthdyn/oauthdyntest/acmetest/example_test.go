// SPDX-License-Identifier: Apache-2.0

package acmetest_test

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

// The test of a server that reads its certificate from files.
func ExampleCertificate() {
	test := func(t *testing.T) {
		dir := t.TempDir()
		roots := acmetest.Certificate(t, dir)
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		server := &tls.Config{Certificates: []tls.Certificate{cert}}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		_, _ = server, client // talk to each other
	}
	_ = test // go test runs it
}

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
