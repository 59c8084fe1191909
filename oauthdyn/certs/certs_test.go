// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/acmetest"
)

// Certificates are ordered for the named hosts alone, so that strangers cannot
// make this program order any.
func TestACMEForeignName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	config, err := (&Flags{Hosts: []string{"mcp.example.test"}, Dir: dir, Directory: "https://127.0.0.1:1/"}).acme(new(expiries), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("the folder for keys: %v, %v", info.Mode(), err)
	}
	for name, want := range map[string]string{"other.example.test": "not configured in HostWhitelist", "": "missing server name"} {
		ours, theirs := net.Pipe()
		go func() {
			_ = tls.Client(theirs, &tls.Config{ServerName: name, InsecureSkipVerify: true}).HandshakeContext(t.Context())
			_ = theirs.Close()
		}()
		if err := tls.Server(ours, config).HandshakeContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		_ = ours.Close()
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		flags Flags
		want  string
	}{
		{Flags{Hosts: []string{"mcp.example.com"}, Directory: "https://ca.example/dir"}, ""},
		{Flags{Email: "me@example.com"}, "need --acme-host"},
		{Flags{CertFile: "c", KeyFile: "k"}, ""},
		{Flags{CertFile: "c"}, "need each other"},
		{Flags{CertFile: "c", KeyFile: "k", Hosts: []string{"mcp.example.com"}}, "exclude each other"},
		{Flags{Hosts: []string{"localhost"}}, "full name of a host"},
		{Flags{Hosts: []string{"https://mcp.example.com"}}, "full name of a host"},
		{Flags{Hosts: []string{"*.example.com"}}, "full name of a host"},
		{Flags{Hosts: []string{"mcp.example.com"}, Directory: "http://ca.example"}, "want an https address"},
	} {
		err := test.flags.Check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.flags, err, test.want)
		}
	}
}

// Files that have changed are noticed by themselves, but not looked at for
// every handshake.
func TestKeyPairRefresh(t *testing.T) {
	dir := t.TempDir()
	acmetest.Certificate(t, dir)
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
		acmetest.Certificate(t, dir)
		if get() != first {
			t.Error("the files are looked at for every handshake")
		}
		time.Sleep(certCheck)
		second := get()
		if second == first {
			t.Error("the new certificate is not used")
		}
		if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certCheck)
		if get() != second {
			t.Error("a broken certificate is used")
		}
		acmetest.Certificate(t, dir)
		time.Sleep(certCheck)
		if get() == second {
			t.Error("the certificate after the broken one is not used")
		}
	})
}

// Of several hosts the certificate counts that expires first, and of one host
// that which connections got last.
func TestNotAfter(t *testing.T) {
	day := func(n int) time.Time { return time.Unix(0, 0).AddDate(0, 0, n) }
	known := new(expiries)
	source := &Source{expiry: known.first}
	for _, test := range []struct {
		host     string
		notAfter time.Time
		want     string
	}{
		{"", time.Time{}, ""},
		{"b.example.test", day(20), "1.728e+06"},
		{"a.example.test", day(30), "1.728e+06"},
		{"B.example.test.", day(40), "2.592e+06"},
	} {
		if test.host != "" {
			known.note(test.host, &x509.Certificate{NotAfter: test.notAfter})
		}
		var text strings.Builder
		source.Metrics(exposition.NewWriter(&text), "test")
		if _, got, _ := strings.Cut(text.String(), "\ntest_certificate_expiry_timestamp_seconds "); strings.TrimSpace(got) != test.want {
			t.Errorf("after %s until %v: %q, want %q", test.host, test.notAfter, text.String(), test.want)
		}
	}
	if first := (*Source)(nil).NotAfter(); !first.IsZero() {
		t.Errorf("without a source: %v", first)
	}
}
