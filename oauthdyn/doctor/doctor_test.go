// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/safedial"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// pair is a real authorization server and a real resource, each at an origin of
// its own, and what stands between them and the doctor.
type pair struct {
	issuer, resource string

	// Each gets the true handler, and returns the faulty one.
	atServer, atResource func(http.Handler) http.Handler
}

// start runs the servers until the test ends, with a fault.
func start(t *testing.T, fault func(*pair)) *pair {
	t.Helper()
	auth, mcp := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	t.Cleanup(auth.Close)
	t.Cleanup(mcp.Close)
	same := func(h http.Handler) http.Handler { return h }
	p := &pair{
		issuer:   "http://" + auth.Listener.Addr().String(),
		resource: "http://" + mcp.Listener.Addr().String() + "/mcp",
		atServer: same, atResource: same,
	}
	fault(p)
	srv, err := authserver.New(t.Context(), authserver.Options{
		Issuer: p.issuer, Store: memory.New(nil), Login: local.New(), Resources: []authserver.Resource{{URI: p.resource}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	res, err := resource.New(resource.Options{Resource: p.resource, AuthorizationServers: []string{p.issuer}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", res.Middleware(http.NotFoundHandler()))
	mux.Handle(res.MetadataPath(), res.MetadataHandler())
	auth.Config.Handler, mcp.Config.Handler = p.atServer(srv), p.atResource(mux)
	auth.Start()
	mcp.Start()
	return p
}

// instead answers requests whose path starts with one, in the place of the true
// handler.
func instead(path string, h http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, path) {
				h(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// edited changes the members of the JSON documents below a path.
func edited(path string, change func(map[string]any)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return instead(path, func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			var members map[string]any
			if json.Unmarshal(rec.Body.Bytes(), &members) == nil {
				change(members)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(rec.Code)
			_ = json.NewEncoder(w).Encode(members)
		})(next)
	}
}

// header changes the header of all answers.
func header(change func(http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			change(rec.Header())
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

const (
	metadataOfServer   = "/.well-known/oauth-authorization-server"
	metadataOfResource = "/.well-known/oauth-protected-resource"
)

// TestHealthy finds nothing wrong with our own servers; the only warning may be
// about client ID metadata documents.
func TestHealthy(t *testing.T) {
	p := start(t, func(*pair) {})
	for name, o := range map[string]doctor.Options{
		"resource": {Resource: p.resource},
		"issuer":   {AuthServer: p.issuer},
		"both":     {Resource: p.resource, AuthServer: p.issuer},
	} {
		t.Run(name, func(t *testing.T) {
			report := examine(t, o)
			t.Log(text(report))
			if report.Failed() || report.Count(doctor.Skipped) != 0 || report.Count(doctor.Pass) < 14 {
				t.Errorf("of a healthy server:\n%s", text(report))
			}
			for _, c := range report.Checks {
				if c.Result == doctor.Warning && c.Name != "client-identity" {
					t.Errorf("warning: %+v", c)
				}
			}
		})
	}
}

// TestFaults looks at servers with one fault each, of which the check that is
// made for it tells.
func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		fault  func(*pair)
		check  string
		result doctor.Result
		found  string
		remedy string
	}{
		{"no WWW-Authenticate", func(p *pair) {
			p.atResource = header(func(h http.Header) { h.Del("WWW-Authenticate") })
		}, "challenge", doctor.Fail, "401 without WWW-Authenticate", "resource_metadata="},
		{"another scheme", func(p *pair) {
			p.atResource = header(func(h http.Header) { h.Set("WWW-Authenticate", `Basic realm="x"`) })
		}, "challenge", doctor.Fail, `Basic realm="x"`, "WWW-Authenticate: Bearer"},
		{"challenge without resource_metadata", func(p *pair) {
			p.atResource = header(func(h http.Header) {
				if h.Get("WWW-Authenticate") != "" {
					h.Set("WWW-Authenticate", "Bearer")
				}
			})
		}, "challenge-metadata", doctor.Warning, "no resource_metadata", "/.well-known/oauth-protected-resource/mcp"},
		{"challenge for messages only", func(p *pair) {
			p.atResource = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && r.URL.Path == "/mcp" {
						w.WriteHeader(http.StatusMethodNotAllowed)
						return
					}
					next.ServeHTTP(w, r)
				})
			}
		}, "challenge", doctor.Pass, "POST is answered Bearer", ""},
		{"no login wanted", func(p *pair) { p.atResource = instead("/mcp", status(200)) },
			"challenge", doctor.Warning, "POST without a token is answered 200", "answer 401"},
		{"403 instead of 401", func(p *pair) { p.atResource = instead("/mcp", status(403)) },
			"challenge", doctor.Fail, "403 Forbidden", "Answer 401"},
		{"another path", func(p *pair) { p.atResource = instead("/mcp", http.NotFound) },
			"challenge", doctor.Fail, "404 Not Found", "Check the path"},
		{"a login page", func(p *pair) {
			p.atResource = instead("/mcp", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) })
		}, "challenge", doctor.Fail, "302 Found, to /login", "instead of sending programs to a page"},
		{"proxy without a server", func(p *pair) { p.atResource = instead("/mcp", status(502)) },
			"answer", doctor.Fail, "502 Bad Gateway", "log of the server"},
		{"no resource metadata", func(p *pair) { p.atResource = instead(metadataOfResource, http.NotFound) },
			"resource-metadata", doctor.Fail, "/.well-known/oauth-protected-resource/mcp: 404 Not Found", "Publish a JSON document"},
		{"resource metadata behind the login", func(p *pair) { p.atResource = instead(metadataOfResource, status(401)) },
			"resource-metadata", doctor.Fail, "401 Unauthorized", "reachable without a token"},
		{"resource metadata is a page", func(p *pair) {
			p.atResource = instead(metadataOfResource, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
		}, "resource-metadata", doctor.Fail, "not a JSON object", "Publish a JSON document"},
		{"another resource", func(p *pair) {
			p.atResource = edited(metadataOfResource, func(m map[string]any) { m["resource"] = "https://mcp.example.com/" })
		}, "resource", doctor.Fail, `describes "https://mcp.example.com/"`, "letter by letter"},
		{"no authorization server", func(p *pair) {
			p.atResource = edited(metadataOfResource, func(m map[string]any) { delete(m, "authorization_servers") })
		}, "authorization-servers", doctor.Fail, "empty or absent", "List the issuer"},
		{"resource metadata has moved", func(p *pair) {
			p.atResource = func(next http.Handler) http.Handler {
				return instead(metadataOfResource, func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, "/moved", http.StatusMovedPermanently)
				})(instead("/moved", func(w http.ResponseWriter, r *http.Request) {
					r.URL.Path = metadataOfResource + "/mcp"
					next.ServeHTTP(w, r)
				})(next))
			}
		}, "redirects", doctor.Warning, "/moved", "follow no redirects"},
		{"resource metadata as text", func(p *pair) {
			p.atResource = header(func(h http.Header) {
				if h.Get("Content-Type") == "application/json" {
					h.Set("Content-Type", "text/plain")
				}
			})
		}, "content-type", doctor.Warning, `has the type "text/plain"`, "application/json"},
		{"no CORS", func(p *pair) {
			p.atServer = header(func(h http.Header) { h.Del("Access-Control-Allow-Origin") })
		}, "cors", doctor.Warning, metadataOfServer, "Access-Control-Allow-Origin: *"},
		{"clock behind", func(p *pair) {
			p.atServer = header(func(h http.Header) { h.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)) })
		}, "clock", doctor.Warning, "behind that of this machine", "NTP"},
		{"no server metadata", func(p *pair) { p.atServer = instead("/.well-known/", http.NotFound) },
			"server-metadata", doctor.Fail, "404 Not Found", "Publish metadata at"},
		{"another issuer", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { m["issuer"] = "https://auth.example.com" })
		}, "issuer", doctor.Fail, `names the issuer "https://auth.example.com"`, "slash at the end counts"},
		{"no S256", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { delete(m, "code_challenge_methods_supported") })
		}, "pkce", doctor.Fail, "code_challenge_methods_supported is absent", `["S256"]`},
		{"plain PKCE", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} })
		}, "pkce", doctor.Fail, "code_challenge_methods_supported is plain", `["S256"]`},
		{"inner address announced", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { m["token_endpoint"] = "http://auth.internal:8080/token" })
		}, "endpoints", doctor.Fail, "token_endpoint", "public address"},
		{"no token endpoint announced", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { delete(m, "token_endpoint") })
		}, "endpoints", doctor.Fail, "is absent", "Add both"},
		{"no way to a client id", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) {
				delete(m, "registration_endpoint")
				delete(m, "client_id_metadata_document_supported")
			})
		}, "client-identity", doctor.Fail, "neither", "--client-id"},
		{"no client ID metadata documents", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { delete(m, "client_id_metadata_document_supported") })
		}, "client-identity", doctor.Warning, "no client ID metadata documents", "client_id_metadata_document_supported"},
		{"only client ID metadata documents", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) {
				delete(m, "registration_endpoint")
				m["client_id_metadata_document_supported"] = true
			})
		}, "client-identity", doctor.Warning, "no registration", "RFC 7591"},
		{"no iss", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") })
		}, "iss-parameter", doctor.Warning, "not announced", "Add iss"},
		{"no refresh", func(p *pair) {
			p.atServer = edited(metadataOfServer, func(m map[string]any) { m["grant_types_supported"] = []string{"authorization_code"} })
		}, "refresh", doctor.Warning, "refresh_token", "Issue refresh tokens"},
		{"proxy drops the token endpoint", func(p *pair) { p.atServer = instead("/token", http.NotFound) },
			"token-endpoint", doctor.Fail, "404 Not Found", "pass on all paths"},
		{"token endpoint refuses with a page", func(p *pair) {
			p.atServer = instead("/token", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 400) })
		}, "token-endpoint", doctor.Warning, "without a JSON error", "RFC 6749"},
		{"proxy drops the authorization endpoint", func(p *pair) { p.atServer = instead("/authorize", status(503)) },
			"authorization-endpoint", doctor.Fail, "503 Service Unavailable", "pass on all paths"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, tt.fault)
			report := examine(t, doctor.Options{Resource: p.resource})
			c := one(t, report, tt.check)
			if c.Result != tt.result || !strings.Contains(c.Found, tt.found) || !strings.Contains(c.Remedy, tt.remedy) {
				t.Errorf("got %+v", c)
			}
			if (c.Remedy == "") != (c.Result == doctor.Pass) {
				t.Errorf("%s with the remedy %q", c.Result, c.Remedy)
			}
			if report.Failed() != (tt.result == doctor.Fail) {
				t.Errorf("failed: %v\n%s", report.Failed(), text(report))
			}
		})
	}
}

// TestUnreachable explains why there is no answer.
func TestUnreachable(t *testing.T) {
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tlsServer.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	rude := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(rude.Close)
	tests := []struct{ name, url, check, found, remedy string }{
		{"certificate of nobody", tlsServer.URL + "/mcp", "answer", "TLS: ", "certificate"},
		{"no TLS", strings.Replace(plain.URL, "http", "https", 1) + "/mcp", "answer", "", "speaks no TLS"},
		{"nobody listens", nobody.URL + "/mcp", "answer", "nobody listens there", "Start the server"},
		{"no answer", rude.URL + "/mcp", "answer", "the connection is closed", "proxy"},
		{"no such name", "https://mcp.invalid/mcp", "answer", "mcp.invalid", "spelling"},
		{"plain http", "http://mcp.example.com/mcp", "address", `scheme "http" is refused`, "https address"},
		{"a fragment", "https://mcp.example.com/mcp#x", "address", "fragment", "without a fragment"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := examine(t, doctor.Options{Resource: tt.url, HTTPClient: &http.Client{Transport: &http.Transport{DialContext: withoutNames}}})
			c := one(t, report, tt.check)
			if c.Result != doctor.Fail || !strings.Contains(c.Found, tt.found) || !strings.Contains(c.Remedy, tt.remedy) {
				t.Errorf("got %+v", c)
			}
		})
	}
}

// withoutNames connects where no name has to be looked up.
func withoutNames(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// TestPlainEndpoint tries no endpoint over plain http, also when discovery
// stopped before it saw to that.
func TestPlainEndpoint(t *testing.T) {
	const at = "https://mcp.example.com"
	public := http.NewServeMux()
	public.HandleFunc(metadataOfServer, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(oauthdyn.ServerMetadata{
			Issuer: at, AuthorizationEndpoint: at + "/authorize", TokenEndpoint: "http://mcp.example.com/token",
		})
	})
	public.HandleFunc("/token", func(http.ResponseWriter, *http.Request) { t.Error("the endpoint was tried") })
	report := examine(t, doctor.Options{AuthServer: at, HTTPClient: &http.Client{Transport: internet{public}}})
	if c := one(t, report, "endpoints"); c.Result != doctor.Fail || !strings.Contains(c.Found, "http://mcp.example.com/token") {
		t.Errorf("got %+v", c)
	}
	if c := one(t, report, "pkce"); c.Result != doctor.Fail {
		t.Errorf("got %+v", c)
	}
}

// TestPrivateAddress finds metadata in public that leads into a private network.
func TestPrivateAddress(t *testing.T) {
	const at = "https://mcp.example.com/mcp"
	public := http.NewServeMux()
	public.HandleFunc(metadataOfResource+"/mcp", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(oauthdyn.ResourceMetadata{Resource: at, AuthorizationServers: []string{"https://10.0.0.1"}})
	})
	public.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(401)
	})
	report := examine(t, doctor.Options{Resource: at, HTTPClient: &http.Client{Transport: internet{public}}})
	c := one(t, report, "public-addresses")
	if c.Result != doctor.Fail || !strings.Contains(c.Found, "https://10.0.0.1/") || !strings.Contains(c.Found, "leads to 10.0.0.1") {
		t.Errorf("got %+v\n%s", c, text(report))
	}
}

// internet has one public server, and connects to others as a client does that
// was configured for a public one.
type internet struct{ server http.Handler }

func (i internet) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "mcp.example.com" {
		base, _ := http.DefaultTransport.(*http.Transport)
		return safedial.New("93.184.216.34").Transport(base).RoundTrip(r)
	}
	rec := httptest.NewRecorder()
	i.server.ServeHTTP(rec, r)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// TestSpareServer calls the trouble of one server a warning when another serves.
func TestSpareServer(t *testing.T) {
	broken := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(broken.Close)
	p := start(t, func(p *pair) {
		p.atResource = edited(metadataOfResource, func(m map[string]any) {
			m["authorization_servers"] = []string{broken.URL, p.issuer}
		})
	})
	report := examine(t, doctor.Options{Resource: p.resource})
	if report.Failed() {
		t.Errorf("a client can use the second server:\n%s", text(report))
	}
	ofBroken := slices.ContainsFunc(report.Checks, func(c doctor.Check) bool {
		return c.Name == "server-metadata" && c.Server == broken.URL && c.Result == doctor.Warning
	})
	if !ofBroken {
		t.Errorf("nothing about the first:\n%s", text(report))
	}
}

// TestUnprotected is no failure: a server need not ask for a login.
func TestUnprotected(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/mcp" {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(open.Close)
	report := examine(t, doctor.Options{Resource: open.URL + "/mcp"})
	if report.Failed() || one(t, report, "challenge").Result != doctor.Warning || one(t, report, "resource-metadata").Result != doctor.Skipped {
		t.Errorf("got\n%s", text(report))
	}
}

// TestQuery keeps a key that stands in the address out of the report.
func TestQuery(t *testing.T) {
	p := start(t, func(*pair) {})
	report := examine(t, doctor.Options{Resource: p.resource + "?key=s3cret"})
	data, err := json.Marshal(report)
	if err != nil || strings.Contains(string(data), "s3cret") {
		t.Errorf("%v\n%s", err, data)
	}
}

// TestNothing names the first mistake, and does not call a guess a success.
func TestNothing(t *testing.T) {
	nothing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(nothing.Close)
	report := examine(t, doctor.Options{Resource: nothing.URL + "/mcp"})
	for name, want := range map[string]doctor.Result{
		"challenge": doctor.Fail, "resource-metadata": doctor.Fail, "server-metadata": doctor.Skipped, "pkce": doctor.Skipped, "discovery": doctor.Fail,
	} {
		if got := one(t, report, name).Result; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	if _, err := doctor.Examine(t.Context(), doctor.Options{}); err == nil {
		t.Error("nothing to examine is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := start(t, func(*pair) {})
	if _, err := doctor.Examine(ctx, doctor.Options{Resource: p.resource}); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}

func examine(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	report, err := doctor.Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func one(t *testing.T, report *doctor.Report, name string) doctor.Check {
	t.Helper()
	for _, c := range report.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %s in\n%s", name, text(report))
	return doctor.Check{}
}

func text(report *doctor.Report) string {
	var b strings.Builder
	for _, c := range report.Checks {
		b.WriteString(strings.Join([]string{string(c.Result), c.Name, c.Server, c.Found, c.Remedy}, " | ") + "\n")
	}
	return b.String()
}
