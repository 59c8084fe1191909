// SPDX-License-Identifier: Apache-2.0

// Package acmetest gives tests certificates, and a real certificate authority
// that speaks ACME: pebble, of Let's Encrypt.
package acmetest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Certificate writes a new certificate for localhost and its key into a
// directory, as cert.pem and key.pem, and returns a pool that trusts it. Each
// file is replaced in one step.
func Certificate(t testing.TB, dir string) *x509.CertPool {
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

// Install says how to get pebble.
const Install = "pebble is missing: go install github.com/letsencrypt/pebble/v2/cmd/pebble@latest"

// An Authority is a pebble that runs until the test ends.
type Authority struct {
	Directory string // URL, for clients that trust CertFile
	CertFile  string // of the certificate that the authority itself has

	management string
}

// Start runs an authority that connects to the given port of 127.0.0.1 to see
// who has a name (TLS-ALPN-01), whatever the name is. control and listen are two
// more ports that nobody listens on. pebble is the program.
func Start(t testing.TB, pebble, dir, port, listen, control string) *Authority {
	t.Helper()
	Certificate(t, dir)
	a := &Authority{
		Directory: "https://localhost:" + listen + "/dir", CertFile: filepath.Join(dir, "cert.pem"),
		management: "https://localhost:" + control,
	}
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:" + listen, "managementListenAddress": "127.0.0.1:" + control,
		"certificate": a.CertFile, "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": 1, "tlsPort": json.Number(port),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pebble, "-config", write(t, dir, "pebble.json", string(config)), "-dnsserver", startDNS(t))
	cmd.Env = append(cmd.Environ(), "PEBBLE_VA_NOSLEEP=1")
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
	// It says so before it does.
	for _, port := range []string{listen, control} {
		for tries := 0; ; tries++ {
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				conn.Close()
				break
			}
			if tries == 1000 {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // between two attempts; nothing says when to try
		}
	}
	return a
}

// Roots are what a client must trust to believe the certificates of the authority.
func (a *Authority) Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if root := a.RootsPEM(t); !roots.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate: %s", root)
	}
	return roots
}

// RootsPEM are those of Roots, for a file that programs are told to trust.
func (a *Authority) RootsPEM(t testing.TB) []byte {
	t.Helper()
	own, err := os.ReadFile(a.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(own)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(a.management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	root, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// startDNS answers every question for an address with 127.0.0.1, over TCP, as
// pebble asks (RFC 1035).
func startDNS(t testing.TB) string {
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

// write replaces a file in one step.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	return name
}
