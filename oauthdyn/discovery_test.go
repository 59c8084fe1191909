// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestC1toC3ResourceMetadataOrder(t *testing.T) {
	const (
		path = "GET " + WellKnownResource + "/mcp"
		root = "GET " + WellKnownResource
	)
	tests := []struct {
		name  string
		setup func(*fake)
		want  []string // metadata requests in order
	}{
		{"challenge names a place of its own", func(f *fake) {
			f.challenge = `Bearer resource_metadata="` + f.URL + `/elsewhere/oauth-protected-resource"`
			f.json("/elsewhere/oauth-protected-resource", f.resourceMetadata)
		}, []string{"GET /elsewhere/oauth-protected-resource"}},
		{"no challenge: path form, and the root is left alone", func(f *fake) {
			f.noChallenge = true
		}, []string{path}},
		{"path form absent: root", func(f *fake) {
			f.noChallenge = true
			f.json(WellKnownResource, f.resourceMetadata)
			f.resourceMetadata = nil
		}, []string{path, root}},
		{"the challenge's document is absent", func(f *fake) {
			f.challenge = `Bearer resource_metadata="` + f.URL + `/nothing/oauth-protected-resource"`
		}, []string{"GET /nothing/oauth-protected-resource", path}},
		{"the challenge's document may not be fetched", func(f *fake) {
			f.challenge = `Bearer resource_metadata="http://mcp.example/.well-known/oauth-protected-resource"`
		}, []string{path}},
		{"other challenges before Bearer", func(f *fake) {
			f.challenge = `Basic realm="a, b", ` + f.challenge
		}, []string{path}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			tt.setup(f)
			d, err := f.client().Discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := f.seen("oauth-protected-resource"); !slices.Equal(got, tt.want) {
				t.Errorf("requests %q, want %q", got, tt.want)
			}
			if d.Issuer != f.URL || d.Legacy || d.Resource != f.resource() {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestC4ServerMetadataOrder(t *testing.T) {
	tests := []struct {
		issuer string // path
		at     string
		want   []string
	}{
		{"", WellKnownServer, []string{WellKnownServer}},
		{"", WellKnownOpenID, []string{WellKnownServer, WellKnownOpenID}},
		{"/t1", WellKnownServer + "/t1", []string{WellKnownServer + "/t1"}},
		{"/t1", WellKnownOpenID + "/t1", []string{WellKnownServer + "/t1", WellKnownOpenID + "/t1"}},
		{"/t1", "/t1" + WellKnownOpenID, []string{WellKnownServer + "/t1", WellKnownOpenID + "/t1", "/t1" + WellKnownOpenID}},
	}
	for _, tt := range tests {
		t.Run(tt.issuer+" at "+tt.at, func(t *testing.T) {
			f := newFake(t)
			issuer := f.URL + tt.issuer
			f.resourceMetadata["authorization_servers"] = []string{issuer}
			f.serverMetadata["issuer"] = issuer
			f.json(tt.at, f.serverMetadata)
			f.serverMetadata = nil
			d, err := f.client().Discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d.Issuer != issuer {
				t.Errorf("issuer %q, want %q", d.Issuer, issuer)
			}
			var got []string
			for _, r := range f.seen("/.well-known/") {
				if p := strings.TrimPrefix(r, "GET "); !strings.Contains(p, WellKnownResource) {
					got = append(got, p)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("requests %q, want %q", got, tt.want)
			}
		})
	}
}

func TestC5S111IssuerMustBeIdentical(t *testing.T) {
	for _, change := range []func(string) string{
		func(u string) string { return u + "/" },
		func(u string) string { return strings.Replace(u, "http", "HTTP", 1) },
		func(u string) string { return u + "/other" },
		func(string) string { return "" },
		func(string) string { return "https://evil.example" },
	} {
		f := newFake(t)
		f.serverMetadata["issuer"] = change(f.URL)
		_, err := f.client().Authenticate(t.Context())
		wantError(t, err, "names the issuer", "must not be used")
		if n := f.count("POST /register") + f.count("GET /authorize"); n != 0 {
			t.Errorf("%d requests to endpoints of metadata that must not be used", n)
		}
	}
}

func TestC6ResourceMustMatch(t *testing.T) {
	tests := []struct {
		name     string
		resource func(f *fake) string
		root     bool // publish at the root
		ok       bool
	}{
		{"same", func(f *fake) string { return f.URL + "/mcp" }, false, true},
		{"slash at the end", func(f *fake) string { return f.URL + "/mcp/" }, false, true},
		{"scheme in upper case", func(f *fake) string { return strings.Replace(f.URL, "http", "HTTP", 1) + "/mcp" }, false, true},
		{"origin, at the root", func(f *fake) string { return f.URL }, true, true},
		{"origin, at the path", func(f *fake) string { return f.URL }, false, false},
		{"sibling", func(f *fake) string { return f.URL + "/mcp2" }, false, false},
		{"child", func(f *fake) string { return f.URL + "/mcp/child" }, false, false},
		{"other host", func(*fake) string { return "https://evil.example/mcp" }, false, false},
		{"other host at the root", func(*fake) string { return "https://evil.example" }, true, false},
		{"not a URL", func(*fake) string { return "mcp" }, false, false},
		{"absent", func(*fake) string { return "" }, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.noChallenge = true
			f.resourceMetadata["resource"] = tt.resource(f)
			if tt.root {
				f.json(WellKnownResource, f.resourceMetadata)
				f.resourceMetadata = nil
			}
			_, err := f.client().Authenticate(t.Context())
			if (err == nil) != tt.ok {
				t.Fatalf("err %v, want ok %v", err, tt.ok)
			}
			if !tt.ok && f.count("GET /authorize") != 0 {
				t.Error("an authorization was started")
			}
			if tt.ok {
				// C19: byte-identical to the metadata.
				if got := f.lastAsked().Get("resource"); got != tt.resource(f) {
					t.Errorf("resource %q, want %q", got, tt.resource(f))
				}
			}
		})
	}
}

func TestC7SeveralAuthorizationServers(t *testing.T) {
	setup := func(t *testing.T) (rs, as1, as2 *fake) {
		rs, as1, as2 = newFake(t), newFake(t), newFake(t)
		rs.resourceMetadata["authorization_servers"] = []string{as1.URL, as2.URL}
		return rs, as1, as2
	}
	t.Run("first", func(t *testing.T) {
		rs, as1, _ := setup(t)
		d, err := rs.client().Discover(t.Context())
		if err != nil || d.Issuer != as1.URL {
			t.Fatalf("%+v, %v", d, err)
		}
	})
	t.Run("first usable", func(t *testing.T) {
		rs, as1, as2 := setup(t)
		delete(as1.serverMetadata, "code_challenge_methods_supported")
		d, err := rs.client().Discover(t.Context())
		if err != nil || d.Issuer != as2.URL {
			t.Fatalf("%+v, %v", d, err)
		}
	})
	t.Run("none usable: every reason is told", func(t *testing.T) {
		rs, as1, as2 := setup(t)
		as1.serverMetadata = nil
		delete(as2.serverMetadata, "code_challenge_methods_supported")
		_, err := rs.client().Discover(t.Context())
		wantError(t, err, as1.URL, as2.URL, "S256", "404")
	})
	t.Run("configured", func(t *testing.T) {
		rs, _, as2 := setup(t)
		d, err := rs.client(func(c *Config) { c.AuthServer = as2.URL + "/" }).Discover(t.Context())
		if err != nil || d.Issuer != as2.URL {
			t.Fatalf("%+v, %v", d, err)
		}
	})
	t.Run("configured, but not accepted by the resource", func(t *testing.T) {
		rs, as1, _ := setup(t)
		_, err := rs.client(func(c *Config) { c.AuthServer = "https://as.example" }).Discover(t.Context())
		wantError(t, err, "https://as.example", as1.URL)
	})
	t.Run("none listed", func(t *testing.T) {
		rs, _, _ := setup(t)
		rs.resourceMetadata["authorization_servers"] = nil
		_, err := rs.client().Discover(t.Context())
		wantError(t, err, "lists no authorization server")
	})
}

func TestS115LegacyDiscoveryOnlyWhenMetadataIsAbsent(t *testing.T) {
	absent := func(f *fake) {
		f.noChallenge = true
		f.resourceMetadata = nil
	}
	tests := []struct {
		name   string
		setup  func(*fake)
		legacy bool
	}{
		{"all 404", absent, true},
		{"410 and 405", func(f *fake) {
			absent(f)
			f.status(WellKnownResource+"/mcp", 410)
			f.status(WellKnownResource, 405)
		}, true},
		{"no server metadata either: default endpoints", func(f *fake) {
			absent(f)
			f.serverMetadata = nil
		}, true},
		{"issuer with a slash", func(f *fake) {
			absent(f)
			f.serverMetadata["issuer"] = f.URL + "/"
		}, true},
		{"500", func(f *fake) { absent(f); f.status(WellKnownResource, 500) }, false},
		{"401", func(f *fake) { absent(f); f.status(WellKnownResource+"/mcp", 401) }, false},
		{"connection lost", func(f *fake) {
			absent(f)
			f.replace(WellKnownResource, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, false},
		{"HTML", func(f *fake) {
			absent(f)
			f.replace(WellKnownResource, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
		}, false},
		{"JSON, but no object", func(f *fake) { absent(f); f.json(WellKnownResource, []string{"resource"}) }, false},
		{"server metadata fails", func(f *fake) { absent(f); f.status(WellKnownServer, 503) }, false},
		{"issuer elsewhere", func(f *fake) { absent(f); f.serverMetadata["issuer"] = f.URL + "/oauth" }, false},
		{"server metadata without S256", func(f *fake) {
			absent(f)
			delete(f.serverMetadata, "code_challenge_methods_supported")
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			tt.setup(f)
			c := f.client()
			_, err := c.Authenticate(t.Context())
			if (err == nil) != tt.legacy {
				t.Fatalf("err %v, want legacy %v", err, tt.legacy)
			}
			if !tt.legacy && f.count("GET /authorize") != 0 {
				t.Error("an authorization was started")
			}
			if tt.legacy && !c.found.Legacy {
				t.Error("not marked as legacy")
			}
		})
	}
}

func TestConfiguredServerWithoutResourceMetadata(t *testing.T) {
	rs, as := newFake(t), newFake(t)
	rs.resourceMetadata, rs.noChallenge = nil, true
	c := rs.client(func(c *Config) { c.AuthServer = as.URL })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := c.found; d.Issuer != as.URL || d.Legacy {
		t.Errorf("got %+v", d)
	}
	if got := as.lastForm().Get("resource"); got != rs.resource() {
		t.Errorf("resource %q", got)
	}
}

func TestServerWithoutResource(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.Resource, c.AuthServer = "", f.URL })
	if _, err := c.Authenticate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.lastForm().Has("resource") || f.lastAsked().Has("resource") {
		t.Error("a resource was sent")
	}
	if status, _ := get(t, c.HTTPClient(), f.resource()); status != 401 {
		t.Errorf("status %d: a token without a resource was sent somewhere", status)
	}
}

func TestS112UnsafeURLs(t *testing.T) {
	tests := []struct {
		name string
		set  func(f *fake)
		want string
	}{
		{"resource metadata over http", func(f *fake) {
			f.challenge = `Bearer resource_metadata="http://mcp.example/.well-known/oauth-protected-resource"`
			f.resourceMetadata = nil // all else is absent, which must not lead to the legacy discovery
		}, "refused"},
		{"resource metadata in a file", func(f *fake) {
			f.challenge = `Bearer resource_metadata="file:///etc/passwd"`
			f.resourceMetadata = nil
		}, "absolute URL"},
		{"authorization server over http", func(f *fake) {
			f.resourceMetadata["authorization_servers"] = []string{"http://as.example"}
		}, "refused"},
		{"authorization server with a query", func(f *fake) {
			f.resourceMetadata["authorization_servers"] = []string{f.URL + "?x=1"}
		}, "without user name, query"},
		{"token endpoint over http", func(f *fake) {
			f.serverMetadata["token_endpoint"] = "http://as.example/token"
		}, "token_endpoint"},
		{"registration endpoint with a password", func(f *fake) {
			f.serverMetadata["registration_endpoint"] = "https://u:p@as.example/register"
		}, "registration_endpoint"},
		{"no token endpoint", func(f *fake) { delete(f.serverMetadata, "token_endpoint") }, "no token_endpoint"},
		{"no authorization endpoint", func(f *fake) { f.serverMetadata["authorization_endpoint"] = nil }, "no authorization_endpoint"},
		{"redirect to http", func(f *fake) {
			f.replace(WellKnownServer, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://as.example/x", http.StatusFound)
			})
		}, "refused"},
		{"endless redirect", func(f *fake) {
			f.replace(WellKnownServer, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, WellKnownServer, http.StatusFound)
			})
		}, "302"},
		{"huge document", func(f *fake) {
			f.replace(WellKnownServer, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"issuer":"` + strings.Repeat("x", maxBodyBytes) + `"}`))
			})
		}, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			tt.set(f)
			_, err := f.client().Authenticate(t.Context())
			wantError(t, err, tt.want)
		})
	}
}

// A resource in public must not make this machine connect to its neighbours.
func TestC27S112PublicResourceMayNotNamePrivateAddresses(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	c, err := New(Config{Resource: "https://93.184.216.34/mcp"})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{s.URL, "https://10.0.0.1/x", "https://169.254.169.254/latest/meta-data"} {
		_, err := c.getJSON(t.Context(), at, &ServerMetadata{})
		wantError(t, err, "not public")
	}
}

func TestPublicResourceMayNotNameLoopback(t *testing.T) {
	c, err := New(Config{Resource: "https://mcp.example/mcp"})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, c.checkURL("http://127.0.0.1:8080/x"), "refused")
	if err := c.checkURL("https://as.example/x"); err != nil {
		t.Error(err)
	}
}

func TestC14S115PKCEMustBeAnnounced(t *testing.T) {
	for name, methods := range map[string]any{
		"absent": nil, "empty": []string{}, "plain": []string{"plain"}, "lower case": []string{"s256"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.serverMetadata["code_challenge_methods_supported"] = methods
			_, err := f.client().Authenticate(t.Context())
			wantError(t, err, "S256")
			if f.count("POST /register") != 0 {
				t.Error("registered all the same")
			}
		})
	}
}

func TestDiscoverUnreachable(t *testing.T) {
	f := newFake(t)
	c := f.client(func(c *Config) { c.Resource = "http://127.0.0.1:1/mcp" })
	_, err := c.Discover(t.Context())
	wantError(t, err, "127.0.0.1:1", "refused")
}

func TestOrigin(t *testing.T) {
	tests := []struct{ a, b string }{
		{"https://a.example/x", "https://A.example:443"},
		{"http://a.example:80", "http://a.example/"},
		{"http://127.0.0.1:8080/x", "http://127.0.0.1:8080"},
	}
	for _, tt := range tests {
		a, _ := url.Parse(tt.a)
		b, _ := url.Parse(tt.b)
		if origin(a) != origin(b) {
			t.Errorf("%q is not %q", origin(a), origin(b))
		}
	}
}

// TestC2ChallengeOfMessages finds the challenge of a resource that wants a
// token of messages only, and names its metadata where nobody would look.
func TestC2ChallengeOfMessages(t *testing.T) {
	for _, get := range []int{http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusOK} {
		f := newFake(t)
		f.json("/elsewhere", f.resourceMetadata)
		f.resourceMetadata = nil
		f.challenge = `Bearer scope="read", resource_metadata="` + f.URL + `/elsewhere"`
		f.replace("/mcp", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.WriteHeader(get)
				return
			}
			f.serveResource(w, r)
		})
		d, err := f.client().Discover(t.Context())
		if err != nil {
			t.Fatalf("GET %d: %v", get, err)
		}
		if d.Legacy || d.ResourceMetadataURL != f.URL+"/elsewhere" || !slices.Equal(d.Scopes, []string{"read"}) {
			t.Errorf("GET %d: got %+v", get, d)
		}
	}
}
