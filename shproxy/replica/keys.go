// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"
)

// MinKey is the least length of the key that replicas share, in bytes.
const MinKey = 32

// domain makes host names of the names of replicas. No address is ever looked
// up under it (RFC 6761 section 6.4).
const domain = ".replica.invalid"

// protocol is the version of everything that replicas say to each other. Those
// of another version do not know each other.
const protocol = "shproxy replica 1"

// keys are what comes from the shared secret, and what a replica proves itself
// with.
type keys struct {
	record []byte // authenticates records
	count  []byte // hides what is counted
	roots  *x509.CertPool
	own    tls.Certificate
}

// newKeys derives the keys, and makes the certificate for a name.
func newKeys(secret []byte, name string) (*keys, error) {
	if len(secret) < MinKey {
		return nil, fmt.Errorf("replica: the key has %d bytes and needs at least %d", len(secret), MinKey)
	}
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "shproxy replica "+purpose, 32)
		if err != nil {
			panic(err) // the length is a valid one
		}
		return key
	}
	k := &keys{record: derive("record"), count: derive("count"), roots: x509.NewCertPool()}
	ca := ed25519.NewKeyFromSeed(derive("authority"))
	root := certificate("shproxy replicas")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	root.PermittedDNSDomainsCritical, root.PermittedDNSDomains = true, []string{domain}
	der, err := x509.CreateCertificate(rand.Reader, root, root, ca.Public(), ca)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	k.roots.AddCert(authority)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	leaf := certificate(name)
	leaf.DNSNames, leaf.KeyUsage = []string{name + domain}, x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if der, err = x509.CreateCertificate(rand.Reader, leaf, authority, private.Public(), ca); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	k.own = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	return k, nil
}

// certificate is good for ever: a name means nothing once its replica, which
// alone has the private key, has ended.
func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
}

func (k *keys) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{k.own},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: k.roots,
		NextProtos: []string{"http/1.1"},
	}
}

// client is for the replica of that name alone.
func (k *keys) client(name string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{k.own},
		RootCAs: k.roots, ServerName: name + domain,
		NextProtos: []string{"http/1.1"},
	}
}

// mac authenticates a record.
func (k *keys) mac(data []byte) string {
	h := hmac.New(sha256.New, k.record)
	h.Write(data)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// hide makes a key of the directory of what is counted, which may name people.
func (k *keys) hide(what string) string {
	h := hmac.New(sha256.New, k.count)
	h.Write([]byte(what))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
