// SPDX-License-Identifier: Apache-2.0

package forwardauth_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/josetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource/forwardauth"
)

// connections is how many a proxy would keep open.
const connections = 16

// BenchmarkForwardAuth asks over HTTP on the loopback interface, as a proxy
// would: a handler that only sets the headers, ours with a token that is known,
// and ours with one that is new each time. Rounds of the first two take turns,
// so that whatever else the machine does hits both, and their quotient is the
// metric cached/bare. The client writes and reads bytes, so that it takes as
// little as possible of the machine.
func BenchmarkForwardAuth(b *testing.B) {
	key, err := josetest.NewKey(jose.ES256, "k")
	if err != nil {
		b.Fatal(err)
	}
	issuer := newBenchIssuer(b, key)
	bare := httptest.NewServer(http.HandlerFunc(setHeaders))
	defer bare.Close()
	ours := httptest.NewServer(newBenchHandler(b, issuer))
	defer ours.Close()
	token := issuer.token(b, 0)

	b.Run("cached", func(b *testing.B) {
		at, here := newLoad(b, ours.URL, token), newLoad(b, bare.URL, token)
		var spent, spentBare time.Duration
		b.ResetTimer()
		for done := 0; done < b.N; {
			n := min(b.N-done, 2000)
			spentBare += here.run(b, n)
			spent += at.run(b, n)
			done += n
		}
		b.ReportMetric(float64(b.N)/spent.Seconds(), "checks/s")
		b.ReportMetric(float64(b.N)/spentBare.Seconds(), "bare/s")
		b.ReportMetric(spentBare.Seconds()/spent.Seconds(), "cached/bare")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("new", func(b *testing.B) {
		tokens := make([]string, b.N)
		for i := range tokens {
			tokens[i] = issuer.token(b, i+1)
		}
		at := newLoad(b, ours.URL, tokens...)
		b.ResetTimer()
		spent := at.run(b, b.N)
		b.ReportMetric(float64(b.N)/spent.Seconds(), "checks/s")
		b.ReportMetric(0, "ns/op")
	})
}

// setHeaders is the least that a forward-auth service does.
func setHeaders(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Authorization", "")
	h.Set("X-Auth-Token", "")
	h.Set("X-User-Id", "local:alice")
	h.Set("X-User-Name", "alice")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// A benchIssuer publishes a key, without a socket.
type benchIssuer struct {
	key  *josetest.Key
	jwks []byte
}

func newBenchIssuer(b *testing.B, key *josetest.Key) *benchIssuer {
	jwks, err := josetest.JWKS(key)
	if err != nil {
		b.Fatal(err)
	}
	return &benchIssuer{key, jwks}
}

const benchIssuerID = "https://auth.example"

// RoundTrip implements http.RoundTripper.
func (i *benchIssuer) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if req.URL.Path == oauthdyn.WellKnownServer {
		fmt.Fprintf(rec, `{"issuer":%q,"jwks_uri":"%s/jwks"}`, benchIssuerID, benchIssuerID)
	} else if _, err := rec.Write(i.jwks); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func (i *benchIssuer) token(b *testing.B, n int) string {
	token, err := i.key.Sign("at+jwt", fmt.Sprintf(
		`{"iss":%q,"aud":%q,"sub":"local:alice","preferred_username":"alice","client_id":"client","scope":"mcp","jti":"%x","exp":%d}`,
		benchIssuerID, first, sha256.Sum256(fmt.Append(nil, n)), time.Now().Add(time.Hour).Unix()))
	if err != nil {
		b.Fatal(err)
	}
	return token
}

func newBenchHandler(b *testing.B, issuer *benchIssuer) http.Handler {
	verifier, err := resource.NewJWTVerifier(resource.JWTOptions{
		Issuers: []string{benchIssuerID}, Audience: first, HTTPClient: &http.Client{Transport: issuer},
	})
	if err != nil {
		b.Fatal(err)
	}
	res, err := resource.New(resource.Options{
		Resource: first, AuthorizationServers: []string{benchIssuerID}, Verifier: verifier, RequiredScopes: []string{"mcp"},
	})
	if err != nil {
		b.Fatal(err)
	}
	handler, err := forwardauth.New(forwardauth.Options{Routes: []forwardauth.Route{{Resource: res}}})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

// A load sends requests over connections that stay open.
type load struct {
	conns    []net.Conn
	readers  []*bufio.Reader
	requests [][]byte // each in turn
}

func newLoad(b *testing.B, url string, tokens ...string) *load {
	l := &load{}
	addr := url[len("http://"):]
	for _, token := range tokens {
		l.requests = append(l.requests, fmt.Appendf(nil, "GET /verify HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Method: POST\r\n"+
			"X-Forwarded-Proto: https\r\nX-Forwarded-Host: mcp.example\r\nX-Forwarded-Uri: /mcp\r\nX-Forwarded-For: 192.0.2.1\r\n"+
			"Accept: application/json, text/event-stream\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n"+
			"User-Agent: bench\r\nAuthorization: Bearer %s\r\n\r\n", addr, token))
	}
	for range connections {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		l.conns = append(l.conns, conn)
		l.readers = append(l.readers, bufio.NewReader(conn))
	}
	l.run(b, connections) // wakes everything up
	return l
}

// run makes n requests and returns how long that took.
func (l *load) run(b *testing.B, n int) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	for c, conn := range l.conns {
		all.Go(func() {
			for i := c; i < n; i += len(l.conns) {
				if _, err := conn.Write(l.requests[i%len(l.requests)]); err != nil {
					b.Error(err)
					return
				}
				if err := readOK(l.readers[c]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// readOK reads a response without a body and wants to see that it lets pass.
func readOK(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q", line)
	}
	user := false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		user = user || bytes.Equal(line, []byte("X-User-Id: local:alice\r\n"))
	}
	if !user {
		return fmt.Errorf("the answer does not say who calls")
	}
	return nil
}
