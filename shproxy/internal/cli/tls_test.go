// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// certificate writes a new certificate for localhost and its key into a
// directory, and returns a pool that trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(100, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

// The endpoint speaks TLS, over both versions of HTTP, and takes a new
// certificate without a restart; a broken one changes nothing.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	first := certificate(t, dir)
	c := start(t, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"), "--", "testserver", "good")
	if !strings.HasPrefix(c.url, "https://127.0.0.1:") {
		t.Fatalf("it listens at %s", c.url)
	}
	url := strings.Replace(c.url, "127.0.0.1", "localhost", 1)
	initializeWith := func(config *tls.Config, http2 bool) (*http.Response, error) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(initialize))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		return resp, err
	}
	for _, http2 := range []bool{false, true} {
		resp, err := initializeWith(&tls.Config{RootCAs: first}, http2)
		if err != nil || resp.StatusCode != 200 || resp.ProtoMajor == 2 != http2 {
			t.Errorf("HTTP/2 %v: %v, %v", http2, resp, err)
		}
	}
	if _, err := initializeWith(&tls.Config{RootCAs: first, MaxVersion: tls.VersionTLS11}, false); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if runtime.GOOS == "windows" {
		return
	}
	second := certificate(t, dir)
	c.signal(syscall.SIGHUP)
	c.logged(`msg="configuration read again"`)
	if resp, err := initializeWith(&tls.Config{RootCAs: second}, false); err != nil || resp.StatusCode != 200 {
		t.Errorf("the new certificate is not used: %v", err)
	}
	write(t, dir, "key.pem", "broken")
	c.signal(syscall.SIGHUP)
	c.logged(`msg="certificate not usable, keeping the old one"`)
	if resp, err := initializeWith(&tls.Config{RootCAs: second}, false); err != nil || resp.StatusCode != 200 {
		t.Errorf("a broken key stops the server: %v", err)
	}
}

// Files that have changed are noticed by themselves, but not looked at for
// every handshake.
func TestKeyPairRefresh(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	synctest.Test(t, func(t *testing.T) {
		k, err := openKeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		get := func() *tls.Certificate {
			t.Helper()
			cert, err := k.config().GetCertificate(&tls.ClientHelloInfo{})
			if err != nil {
				t.Fatal(err)
			}
			return cert
		}
		first := get()
		time.Sleep(certCheck)
		if get() != first {
			t.Error("a file that did not change was read again")
		}
		certificate(t, dir)
		if get() != first {
			t.Error("the files are looked at for every handshake")
		}
		time.Sleep(certCheck)
		second := get()
		if second == first {
			t.Error("the new certificate is not used")
		}
		write(t, dir, "cert.pem", "broken")
		time.Sleep(certCheck)
		if get() != second {
			t.Error("a broken certificate is used")
		}
		certificate(t, dir)
		time.Sleep(certCheck)
		if get() == second {
			t.Error("the certificate after the broken one is not used")
		}
	})
}
