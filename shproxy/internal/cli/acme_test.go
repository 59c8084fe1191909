// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const acmeHost = "mcp.example.test"

// Certificates are ordered for the named hosts alone, so that strangers cannot
// make this program order any.
func TestACMEForeignName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	config, err := (&acmeFlags{hosts: []string{acmeHost}, dir: dir, directory: "https://127.0.0.1:1/"}).config(slog.New(slog.DiscardHandler))
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

func TestACMEFlags(t *testing.T) {
	for _, test := range []struct {
		flags acmeFlags
		want  string
	}{
		{acmeFlags{hosts: []string{"mcp.example.com"}, directory: "https://ca.example/dir"}, ""},
		{acmeFlags{email: "me@example.com"}, "need --acme-host"},
		{acmeFlags{hosts: []string{"localhost"}}, "full name of a host"},
		{acmeFlags{hosts: []string{"https://mcp.example.com"}}, "full name of a host"},
		{acmeFlags{hosts: []string{"*.example.com"}}, "full name of a host"},
		{acmeFlags{hosts: []string{"mcp.example.com"}, directory: "http://ca.example"}, "want an https address"},
	} {
		err := test.flags.check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.flags, err, test.want)
		}
	}
}

// A certificate is had from a real authority, which looks up the name and
// checks who answers there.
func TestACME(t *testing.T) {
	pebble, err := exec.LookPath("pebble")
	if err != nil {
		const install = "pebble is missing: go install github.com/letsencrypt/pebble/v2/cmd/pebble@latest"
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatal(install)
		}
		t.Skip(install)
	}
	dir, port := t.TempDir(), freePort(t)
	directory, management := startPebble(t, pebble, dir, port)
	cache := filepath.Join(dir, "cache")
	flags := []string{
		"--port", port, "--acme-host", acmeHost, "--acme-directory", directory, "--acme-dir", cache,
		"--acme-email", "me@example.com", "--", "testserver", "good",
	}
	c := startIn(t, []string{"SSL_CERT_FILE=" + filepath.Join(dir, "cert.pem")}, flags...)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	roots := pebbleRoots(t, dir, management)
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
}

// startPebble runs an authority that connects to the given port to see who has
// a name.
func startPebble(t *testing.T, pebble, dir, port string) (directory, management string) {
	t.Helper()
	certificate(t, dir)
	address, control := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": address, "managementListenAddress": control,
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": 1, "tlsPort": json.Number(port),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pebble, "-config", write(t, dir, "pebble.json", string(config)), "-dnsserver", startDNS(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "ACME directory available at") {
				close(ready)
			}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done; _ = cmd.Wait() })
	select {
	case <-ready:
	case <-done:
		t.Fatal("pebble ended")
	}
	return "https://localhost" + address[strings.LastIndexByte(address, ':'):] + "/dir", "https://localhost" + control[strings.LastIndexByte(control, ':'):]
}

// pebbleRoots asks for the authority's own certificate.
func pebbleRoots(t *testing.T, dir, management string) *x509.CertPool {
	t.Helper()
	own, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(own)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate: %s", root)
	}
	return roots
}

// startDNS answers every question for an address with 127.0.0.1, over TCP, as
// pebble asks (RFC 1035).
func startDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveDNS(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// serveDNS answers one question.
func serveDNS(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	answer := answerDNS(query)
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}

func answerDNS(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	if end += 5; end > len(query) {
		return nil
	}
	isA := binary.BigEndian.Uint16(query[end-4:]) == 1
	answer := append([]byte(nil), query[:end]...)
	copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if isA {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return answer
}
