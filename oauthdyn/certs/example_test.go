// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
)

// A command that serves HTTPS if its user says so.
func ExampleFlags() {
	flags := certs.Flags{Program: "example"}
	set := pflag.NewFlagSet("example", pflag.ContinueOnError)
	flags.Add(set)

	for _, args := range [][]string{
		{},
		{"--tls-cert", "cert.pem"},
		{"--acme-host", "mcp.example.com"},
	} {
		flags = certs.Flags{Program: "example"}
		if err := set.Parse(args); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(args, flags.On(), flags.Check())
	}
	// Output:
	// [] false <nil>
	// [--tls-cert cert.pem] true --tls-cert and --tls-key need each other
	// [--acme-host mcp.example.com] true <nil>
}

// Certificate and key from files. A hangup, or a look every now and then, has
// them read again.
func ExampleSource() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	flags := certs.Flags{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	if err := selfSigned(flags.CertFile, flags.KeyFile); err != nil {
		fmt.Println(err)
		return
	}
	source, err := flags.Open(slog.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	server := http.Server{Addr: ":443", TLSConfig: source.Config()} // ListenAndServeTLS("", "")
	fmt.Println(server.TLSConfig != nil, source.Reload())
	// Output: true <nil>
}

// selfSigned makes a certificate that nobody trusts.
func selfSigned(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}
