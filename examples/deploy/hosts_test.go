// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deploy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/need"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

// ownCertificates are files of an authority of this test, which the script is
// told to trust.
func ownCertificates(s *stack) []string {
	s.t.Helper()
	dir := s.t.TempDir()
	s.roots = filepath.Join(dir, "roots.pem")
	newAuthority(s.t, dir, "*."+domain)
	return []string{"TLS_CERT=" + filepath.Join(dir, "cert.pem"), "TLS_KEY=" + filepath.Join(dir, "key.pem"), "SSL_CERT_FILE=" + s.roots}
}

// orderedCertificates are those that the proxy gets from an authority by ACME.
func orderedCertificates(s *stack) []string {
	s.t.Helper()
	directory, trust, roots := startACME(s.t, s.ports["443"])
	s.roots = roots
	return []string{"ACME_EMAIL=ops@" + domain, "ACME_DIRECTORY=" + directory, "SSL_CERT_FILE=" + trust}
}

// startACME runs an authority that connects to a port to see who has a name. It
// returns its directory, a file with what a program has to trust that orders
// certificates, and one for clients.
func startACME(t *testing.T, port string) (directory, trust, roots string) {
	t.Helper()
	pebble, err := exec.LookPath("pebble")
	if err != nil {
		need.Missing(t, acmetest.Install)
	}
	dir := t.TempDir()
	authority := acmetest.Start(t, pebble, dir, port, portOf(freeAddr(t)), portOf(freeAddr(t)))
	own, err := os.ReadFile(authority.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	root := authority.RootsPEM(t)
	trust, roots = filepath.Join(dir, "trust.pem"), filepath.Join(dir, "roots.pem")
	for file, text := range map[string][]byte{trust: slices.Concat(own, root), roots: root} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return authority.Directory, trust, roots
}

// newAuthority makes an authority, in roots.pem, and a certificate of it, in
// cert.pem and key.pem.
func newAuthority(t *testing.T, dir string, names ...string) {
	t.Helper()
	now := time.Now()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), BasicConstraintsValid: true,
		}
	}
	root := template(1, "authority of the test")
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign
	leaf := template(2, "gateway")
	leaf.DNSNames, leaf.ExtKeyUsage = names, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	rootKey, leafKey := newKey(t), newKey(t)
	writePEM(t, filepath.Join(dir, "roots.pem"), "CERTIFICATE", sign(t, root, root, rootKey, rootKey))
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", sign(t, leaf, root, leafKey, rootKey))
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", der)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newTransport finds the hosts of the domain on this machine, and nobody else.
func (s *stack) newTransport() *http.Transport {
	s.t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.TLSClientConfig = s.tls()
	transport.DialContext = s.dial
	s.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (s *stack) tls() *tls.Config {
	s.t.Helper()
	text, err := os.ReadFile(s.roots)
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool}
}

// dial is a resolver that knows the domain, and a router that knows the ports.
// What clients listen on themselves is where they say.
func (s *stack) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(host, "."+domain):
		addr = "127.0.0.1:" + s.ports[port]
	case host != "127.0.0.1":
		return nil, errors.New("the test knows no " + host)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

func (s *stack) httpClient() *http.Client { return &http.Client{Transport: s.transport} }
