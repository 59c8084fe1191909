// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

const acmeHost = "mcp.example.test"

// The endpoint speaks TLS, over both versions of HTTP, and takes a new
// certificate without a restart; a broken one changes nothing.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	first := acmetest.Certificate(t, dir)
	c := start(t, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"), "--admin-addr", "127.0.0.1:0", "--", "testserver", "good")
	admin := strings.TrimSuffix(c.logged(`msg="admin address" url=(\S+)`)[1], "/status")
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
	if _, body := c.request("GET", admin+"/metrics", ""); !hasExpiry(body, 100*365*24*time.Hour) {
		t.Errorf("the metrics do not tell when the certificate expires: %s", body)
	}
	if _, err := initializeWith(&tls.Config{RootCAs: first, MaxVersion: tls.VersionTLS11}, false); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if runtime.GOOS == "windows" {
		return
	}
	second := acmetest.Certificate(t, dir)
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

// A certificate is had from a real authority, which looks up the name and
// checks who answers there.
func TestACME(t *testing.T) {
	pebble, err := exec.LookPath("pebble")
	if err != nil {
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatal(acmetest.Install)
		}
		t.Skip(acmetest.Install)
	}
	dir, port := t.TempDir(), freePort(t)
	authority := acmetest.Start(t, pebble, dir, port, freePort(t), freePort(t))
	cache := filepath.Join(dir, "cache")
	flags := []string{
		"--port", port, "--acme-host", acmeHost, "--acme-directory", authority.Directory, "--acme-dir", cache,
		"--acme-email", "me@example.com", "--admin-addr", "127.0.0.1:0", "--", "testserver", "good",
	}
	c := startIn(t, []string{"SSL_CERT_FILE=" + authority.CertFile}, flags...)

	admin := strings.TrimSuffix(c.logged(`msg="admin address" url=(\S+)`)[1], "/status")
	if _, body := c.request("GET", admin+"/metrics", ""); strings.Contains(body, "certificate_expiry") {
		t.Errorf("the metrics have a certificate before it was ordered: %s", body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	roots := authority.Roots(t)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+acmeHost+"/mcp", strings.NewReader(initialize))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := transport.RoundTrip(r)
	if err != nil {
		_, log := c.end(os.Kill)
		t.Fatalf("%v\n%s", err, log)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Errorf("%s %s, %v", resp.Status, body, err)
	}
	if _, err := os.Stat(filepath.Join(cache, acmeHost)); err != nil {
		t.Errorf("the certificate is not kept: %v", err)
	}
	if _, body := c.request("GET", admin+"/metrics", ""); !hasExpiry(body, 24*time.Hour) {
		t.Errorf("the metrics do not tell when the certificate expires: %s", body)
	}
}

// hasExpiry reports whether metrics tell that the certificate is good for at
// least as long.
func hasExpiry(metrics string, atLeast time.Duration) bool {
	_, value, _ := strings.Cut(metrics, "\nshproxy_certificate_expiry_timestamp_seconds ")
	seconds, err := strconv.ParseFloat(strings.SplitN(value, "\n", 2)[0], 64)
	return err == nil && time.Until(time.Unix(int64(seconds), 0)) > atLeast-time.Minute
}
