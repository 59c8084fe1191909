// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	oauthdoctor "github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/doctor"
)

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T, from, to time.Time, address string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// check finds a check of a report.
func check(t *testing.T, r *doctor.Report, name string) doctor.Check {
	t.Helper()
	for _, s := range r.Sections {
		for _, c := range s.Checks {
			if c.Name == name {
				return c
			}
		}
	}
	t.Fatalf("no check %q in %+v", name, r)
	return doctor.Check{}
}

func examine(t *testing.T, url string, transport *http.Transport) *doctor.Report {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	r, err := doctor.Examine(context.Background(), doctor.Options{
		Name: url, Hint: url, URL: url, Transport: transport, Timeout: 30 * time.Second,
		Connect: func(*oauthdyn.Config) (*shclient.Client, error) {
			return shclient.New(shclient.Options{URL: url, HTTPClient: &http.Client{Transport: transport}}, nil)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func handler() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "x"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return nil, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
}

func TestCertificates(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name     string
		from, to time.Time
		address  string
		trusted  bool
		result   oauthdoctor.Result
		found    string
		remedy   string
	}{
		{"good", now.Add(-time.Hour), now.Add(90 * 24 * time.Hour), "127.0.0.1", true, oauthdoctor.Pass, "for 127.0.0.1, of Test, until ", ""},
		{"ends soon", now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1", true, oauthdoctor.Warning, "TLS 1.3", "Renew the certificate"},
		{"expired", now.Add(-2 * time.Hour), now.Add(-time.Hour), "127.0.0.1", true, oauthdoctor.Fail, "expired", "Renew the certificate"},
		{"unknown authority", now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1", false, oauthdoctor.Fail, "1 sent: the first is for 127.0.0.1, of Test", "whole certificate chain"},
		{"of another host", now.Add(-time.Hour), now.Add(time.Hour), "192.0.2.1", true, oauthdoctor.Fail, "192.0.2.1", "for this host name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, pool := certificate(t, tt.from, tt.to, tt.address)
			s := httptest.NewUnstartedServer(handler())
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			s.StartTLS()
			defer s.Close()
			transport := &http.Transport{TLSClientConfig: &tls.Config{}}
			if tt.trusted {
				transport.TLSClientConfig.RootCAs = pool
			}
			r := examine(t, s.URL+"/mcp", transport)
			c := check(t, r, "tls")
			if c.Result != tt.result || !strings.Contains(c.Found, tt.found) || !strings.Contains(c.Remedy, tt.remedy) {
				t.Errorf("%+v; want %s, %s, %s", c, tt.result, tt.found, tt.remedy)
			}
			if r.OK != (tt.result != oauthdoctor.Fail) {
				t.Errorf("ok is %v: %+v", r.OK, r)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		serve  http.HandlerFunc
		result oauthdoctor.Result
		remedy string
	}{
		{"web page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, oauthdoctor.Fail, "Check the path"},
		{"not found", http.NotFound, oauthdoctor.Fail, "Check the path"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://other.example/mcp?key=secret", http.StatusPermanentRedirect)
		}, oauthdoctor.Fail, "https://other.example/mcp"},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, oauthdoctor.Fail, "denies access"},
		{"bad gateway", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, oauthdoctor.Fail, "log of the server"},
		{"error of a modern server", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no"}}`)
		}, oauthdoctor.Pass, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.serve)
			defer s.Close()
			r := examine(t, s.URL+"/mcp", &http.Transport{})
			c := check(t, r, "http")
			if c.Result != tt.result || !strings.Contains(c.Remedy, tt.remedy) || strings.Contains(c.Remedy, "secret") {
				t.Errorf("%+v; want %s, %s", c, tt.result, tt.remedy)
			}
		})
	}
}

// A server that hangs up without an answer breaks the connection, not TLS.
func TestHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	r := examine(t, "http://"+l.Addr().String()+"/mcp", &http.Transport{})
	if c := check(t, r, "tcp"); c.Result != oauthdoctor.Pass {
		t.Errorf("tcp: %+v", c)
	}
	if c := check(t, r, "connection"); c.Result != oauthdoctor.Fail || r.BrokenIn() != doctor.Network {
		t.Errorf("%+v in %s", c, r.BrokenIn())
	}
	r = examine(t, "https://"+l.Addr().String()+"/mcp", &http.Transport{})
	if c := check(t, r, "tls"); c.Result != oauthdoctor.Fail {
		t.Errorf("tls: %+v", c)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := doctor.Examine(ctx, doctor.Options{URL: "http://127.0.0.1:1/mcp", Transport: &http.Transport{}, Timeout: time.Second})
	if err == nil {
		t.Error("an interrupted examination has a report")
	}
}
