// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

// documentedACL is what the README names, but for the prefix.
const documentedACL = "+@hash +@sortedset +@string +@scripting +@connection +config|get +info +time"

// TestACL: the access that the README names is enough.
func TestACL(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := strings.NewReplacer("`", "", ", and ", " ").Replace(string(readme))
	if !strings.Contains(documented, documentedACL) {
		t.Errorf("README.md does not name %s", documentedACL)
	}
	server := redistest.Start(t, redistest.Redis(t))
	rules := []any{"ACL", "SETUSER", "ana", "on", ">secret", "~{store*"}
	for rule := range strings.FieldsSeq(documentedACL) {
		rules = append(rules, rule)
	}
	must(t, server.Client().Do(t.Context(), rules...).Err())
	url := "unix://ana:secret@" + server.Socket
	runContract(t, url)

	_, err = redis.Open(t.Context(), url, &redis.Options{Prefix: "other", Timeout: patience})
	if err == nil || !strings.Contains(err.Error(), "its ACL needs") {
		t.Errorf("keys of others: %v", err)
	}
}

// TestTLS: a certificate that nobody vouches for is refused.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	roots := writeCertificate(t, dir)
	program := redistest.Redis(t)
	server := redistest.StartTLS(t, program, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	_, err := redis.Open(t.Context(), "rediss://"+server.Addr, &redis.Options{Timeout: patience})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown certificate: %v", err)
	}
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr, MaxRetries: -1, TLSConfig: &tls.Config{RootCAs: roots}})
	s, err := redis.New(t.Context(), client, &redis.Options{Timeout: patience})
	must(t, err)
	defer s.Close()
	must(t, s.CreateClient(t.Context(), store.Client{ID: "a"}))
}

func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der},
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	parsed, err := x509.ParseCertificate(cert)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return roots
}

// TestSentinel: the master is found through a sentinel.
func TestSentinel(t *testing.T) {
	program := redistest.Redis(t)
	master := redistest.StartTCP(t, program)
	sentinel := redistest.StartSentinel(t, program, "main", master.Addr)
	url := fmt.Sprintf("redis://%s?master_name=main", sentinel.Addr)
	s := open(t, url, nil)
	must(t, s.CreateClient(t.Context(), store.Client{ID: "a"}))
	if n := master.Client().HLen(t.Context(), "{oauthdyn}:clients").Val(); n != 1 {
		t.Errorf("the master has %d clients", n)
	}
	if _, err := redis.Open(t.Context(), url+"x", &redis.Options{Timeout: patience}); err == nil {
		t.Error("a master that the sentinel does not know is found")
	}
}
