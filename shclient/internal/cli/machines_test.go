// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// moreServers are further kinds of servers that scripts can start.
var moreServers = map[string]func(*testscript.TestScript){
	"tls":      startTLS,
	"machines": startMachines,
	"proxied":  startProxied,
	"old":      startOld,
}

// startOld starts a server of HTTP+SSE, at $URL as the SDK has it and at $BRIDGED
// as shproxy has it: the one refuses a POST there by text, the other by JSON-RPC.
func startOld(ts *testscript.TestScript) {
	s := toolServer()
	old := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil)
	mux := http.NewServeMux()
	mux.Handle("/sse", old)
	mux.HandleFunc("/bridged/sse", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && !r.URL.Query().Has("sessionid") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusMethodNotAllowed)
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"method POST is not allowed"}}`)
			return
		}
		old.ServeHTTP(w, r)
	})
	web := httptest.NewServer(mux)
	ts.Defer(func() {
		web.CloseClientConnections()
		web.Close()
	})
	ts.Setenv("URL", web.URL+"/sse")
	ts.Setenv("BRIDGED", web.URL+"/bridged/sse")
}

// startTLS starts a server whose certificate ca.pem vouches for.
func startTLS(ts *testscript.TestScript) {
	s := httptest.NewTLSServer(mcpHandler(nil))
	ts.Defer(func() {
		s.CloseClientConnections()
		s.Close()
	})
	writeCertificate(ts, s)
	ts.Setenv("URL", s.URL+"/mcp")
}

func writeCertificate(ts *testscript.TestScript, s *httptest.Server) {
	writePEM(ts, "ca.pem", "CERTIFICATE", s.Certificate().Raw)
}

func writePEM(ts *testscript.TestScript, name, kind string, data []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
}

// startMachines starts a server with an authorization server that gives tokens
// to programs: to "robot" with the secret in robot.secret, to "signer" with the
// key in signer.pem, and to the devices of people.
func startMachines(ts *testscript.TestScript) {
	const secret = "a secret for the robot"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	writePEM(ts, "signer.pem", "PRIVATE KEY", der)
	ts.Check(os.WriteFile(ts.MkAbs("robot.secret"), []byte(secret+"\n"), 0o600))
	jwks, err := oauthdyn.PublicKeySet(key, "")
	ts.Check(err)
	s := oauthdyntest.New(ts.Value("t").(testing.TB), &oauthdyntest.Options{
		Handler: mcpHandler(nil),
		Adjust: func(o *authserver.Options) {
			o.DeviceFlow = true
			o.Clients = []authserver.Client{{ID: "robot", Secret: secret}, {ID: "signer", JWKS: jwks}}
		},
	})
	ts.Setenv("URL", s.ResourceURL)
	ts.Setenv("ISSUER", s.Issuer)
}

// startProxied starts https://mcp.example.com/mcp and its authorization server
// https://auth.example.com, which can be reached through the proxy at $PROXY
// only.
func startProxied(ts *testscript.TestScript) {
	const issuer, resourceURL = "https://auth.example.com", "https://mcp.example.com/mcp"
	users := local.New()
	ts.Check(users.Set(oauthdyntest.Username, oauthdyntest.Password))
	as, err := authserver.New(context.Background(), authserver.Options{
		Issuer: issuer, Login: users, Store: memory.New(nil), Resources: []authserver.Resource{{URI: resourceURL, Name: "Test"}},
	})
	ts.Check(err)
	ts.Defer(as.Close)
	auth := httptest.NewTLSServer(as)
	ts.Defer(auth.Close)
	roots := x509.NewCertPool()
	roots.AddCert(auth.Certificate())
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, auth.Listener.Addr().String())
		},
	}
	ts.Defer(transport.CloseIdleConnections)
	verifier, err := resource.NewJWTVerifier(resource.JWTOptions{
		Issuers: []string{issuer}, Audience: resourceURL, HTTPClient: &http.Client{Transport: transport},
	})
	ts.Check(err)
	res, err := resource.New(resource.Options{Resource: resourceURL, AuthorizationServers: []string{issuer}, Verifier: verifier})
	ts.Check(err)
	handler, mux := mcpHandler(nil), http.NewServeMux()
	mux.Handle("/mcp", res.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() // the SDK wants it so
		handler.ServeHTTP(w, r)
	})))
	mux.Handle(res.MetadataPath(), res.MetadataHandler())
	protected := httptest.NewTLSServer(mux)
	ts.Defer(func() {
		protected.CloseClientConnections()
		protected.Close()
	})
	proxy := newTunnel(map[string]string{
		"mcp.example.com:443":  protected.Listener.Addr().String(),
		"auth.example.com:443": auth.Listener.Addr().String(),
	})
	ts.Defer(proxy.close)
	writeCertificate(ts, auth)
	ts.Setenv("URL", resourceURL)
	ts.Setenv("PROXY", proxy.server.URL)
}

// tunnel is an HTTP proxy that connects to the hosts that it knows.
type tunnel struct {
	server *httptest.Server
	hosts  map[string]string
	open   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // mu guards it
}

func newTunnel(hosts map[string]string) *tunnel {
	p := &tunnel{hosts: hosts}
	p.server = httptest.NewServer(p)
	return p
}

func (p *tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := p.hosts[r.Host]
	if r.Method != http.MethodConnect || to == "" {
		http.Error(w, "unknown host", http.StatusBadGateway)
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		server.Close()
		return
	}
	fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
		p.open.Go(func() {
			_, _ = io.Copy(to, from) // one end is gone
			to.Close()
			from.Close()
		})
	}
}

func (p *tunnel) close() {
	p.server.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.open.Wait()
}
