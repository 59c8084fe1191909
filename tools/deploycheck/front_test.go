// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A front takes the place of DNS, of the proxy that does TLS, and of the
// authority that signs its certificates. Programs find it by the variables
// HTTPS_PROXY and SSL_CERT_FILE, so that all of them use the public names.
type front struct {
	certFile, keyFile, caFile string

	roots  *x509.CertPool
	dialer *httptest.Server // answers CONNECT for the public names
	direct string           // address of the TLS proxy
}

// newFront serves the hosts. An empty list is for a proxy that will listen at
// direct itself.
func newFront(t *testing.T, direct string, hosts map[string][]string) *front {
	t.Helper()
	f := &front{direct: direct, roots: x509.NewCertPool()}
	f.makeCertificates(t)
	f.dialer = httptest.NewServer(http.HandlerFunc(f.connect))
	t.Cleanup(f.dialer.Close)
	if len(hosts) > 0 {
		f.serve(t, hosts)
	}
	return f
}

func (f *front) serve(t *testing.T, hosts map[string][]string) {
	t.Helper()
	var next atomic.Uint64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			backends := hosts[r.In.Host]
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "no-such-host.invalid"
			if len(backends) > 0 { // one after the other: replicas have to find their sessions
				r.Out.URL.Host = backends[next.Add(1)%uint64(len(backends))]
			}
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	cert, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", f.direct, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
}

// connect joins a client that wants to reach a public name with the TLS proxy.
func (f *front) connect(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil || (host != "auth."+domain && host != "mcp."+domain && host != "fetch."+domain) {
		http.Error(w, "not a host of the test", http.StatusForbidden)
		return
	}
	there, err := net.Dial("tcp", f.direct)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(there, buffered)
		_ = there.Close()
	})
	_, _ = io.Copy(here, there)
	_ = here.Close()
	both.Wait()
}

// env has programs find the public names here.
func (f *front) env() []string {
	return []string{"HTTPS_PROXY=" + f.dialer.URL, "SSL_CERT_FILE=" + f.caFile}
}

// client is one that finds the public names here.
func (f *front) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12},
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme != "https" {
				return nil, nil
			}
			return url.Parse(f.dialer.URL)
		},
	}}
}

func (f *front) makeCertificates(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	f.certFile, f.keyFile, f.caFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	caKey, ca := makeCertificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "deploycheck"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	key, cert := makeCertificate(t, &x509.Certificate{
		DNSNames:    []string{"auth." + domain, "mcp." + domain, "fetch." + domain},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, ca, caKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, f.caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})))
	writeFile(t, f.certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
	writeFile(t, f.keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	f.roots.AddCert(ca)
}

func makeCertificate(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}
