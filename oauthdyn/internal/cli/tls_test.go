// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

// secure asks a server for its keys by TLS, under a name.
func secure(t *testing.T, addr, name string, config *tls.Config, http2 bool) (*http.Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	transport := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+name+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// The server speaks TLS, over both versions of HTTP, and takes a new certificate
// without a restart; a broken one changes nothing.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	first := acmetest.Certificate(t, dir)
	p := serve(t, nil, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"), "--admin-addr", "127.0.0.1:0")
	admin := strings.TrimSuffix(p.logged(`msg="admin address" url=(\S+)`)[1], "/status")
	if _, text := get(t, admin+"/metrics"); !strings.Contains(text, "\noauthdyn_certificate_expiry_timestamp_seconds ") {
		t.Errorf("the metrics do not tell when the certificate expires: %s", text)
	}
	ask := func(trust *x509.CertPool, http2 bool) (*http.Response, string, error) {
		t.Helper()
		return secure(t, p.addr, "localhost", &tls.Config{RootCAs: trust}, http2)
	}
	for _, http2 := range []bool{false, true} {
		res, body, err := ask(first, http2)
		if err != nil || res.StatusCode != 200 || (res.ProtoMajor == 2) != http2 || !strings.Contains(body, `"issuer":"https://`+p.addr+`"`) ||
			!strings.HasPrefix(res.Header.Get("Strict-Transport-Security"), "max-age=") {
			t.Errorf("HTTP/2 %v: %v, %s, %v", http2, res, body, err)
		}
	}
	if _, _, err := secure(t, p.addr, "localhost", &tls.Config{RootCAs: first, MaxVersion: tls.VersionTLS11}, false); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	second := acmetest.Certificate(t, dir)
	p.signal(syscall.SIGHUP)
	p.logged(`msg="certificate read again"`)
	if _, _, err := ask(second, false); err != nil {
		t.Errorf("the new certificate is not used: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.logged(`msg="certificate not usable, keeping the old one"`)
	if _, _, err := ask(second, false); err != nil {
		t.Errorf("a broken key stops the server: %v", err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A certificate is had from a real authority, which looks up the name and
// checks who answers there.
func TestACME(t *testing.T) {
	const host = "auth.example.test"
	pebble, err := exec.LookPath("pebble")
	if err != nil {
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatal(acmetest.Install)
		}
		t.Skip(acmetest.Install)
	}
	dir, port := t.TempDir(), freePort(t)
	authority := acmetest.Start(t, pebble, dir, port, freePort(t), freePort(t))
	p := serve(t, []string{"SSL_CERT_FILE=" + authority.CertFile}, "--addr", "127.0.0.1:"+port,
		"--acme-host", host, "--acme-directory", authority.Directory, "--acme-dir", filepath.Join(dir, "cache"), "--acme-email", "me@example.com")
	res, body, err := secure(t, p.addr, host, &tls.Config{RootCAs: authority.Roots(t)}, true)
	if err != nil || res.StatusCode != 200 || !strings.Contains(body, `"issuer":"https://`+host+`"`) {
		t.Errorf("%v, %s, %v", res, body, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cache", host)); err != nil {
		t.Errorf("the certificate is not kept: %v", err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// freePort returns a port that nobody listens on. It is below those that systems
// give to whoever asks for any, so that nobody gets it meanwhile.
func freePort(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		port := fmt.Sprint(20_000 + rand.IntN(12_000))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal(err)
	return ""
}
