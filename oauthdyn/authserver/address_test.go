// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest"
)

// addressLogin lets everybody in and remembers from where.
type addressLogin struct{ from atomic.Value }

func (l *addressLogin) ServeLogin(_ http.ResponseWriter, r *http.Request, _ *authserver.Attempt) (*authserver.User, error) {
	l.from.Store(r.RemoteAddr)
	return &authserver.User{Subject: "test:alice", Name: "alice"}, nil
}

// A Login, which may count guesses by address, and the audit log hear of the
// client's address, not that of the proxy.
func TestTrustedProxy(t *testing.T) {
	for name, test := range map[string]struct {
		trusted []netip.Prefix
		want    string
	}{
		"trusted":     {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "192.0.2.66"},
		"not trusted": {nil, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var w witness
			var login addressLogin
			h := newHarness(t, &oauthdyntest.Options{Adjust: func(o *authserver.Options) {
				o.TrustedProxies, o.Audit, o.Login = test.trusted, w.record, &login
			}})
			b := h.Browser()
			b.Client = &http.Client{Transport: saying{"X-Forwarded-For", "192.0.2.66"}}
			if _, err := b.Authorize(t.Context(), h.authorizeURL(h.public().ClientID)); err != nil {
				t.Fatal(err)
			}
			from, err := netip.ParseAddrPort(login.from.Load().(string))
			if err != nil || from.Addr().String() != test.want {
				t.Errorf("the login hears of %v, %v", from, err)
			}
			if e := w.last(); e.Kind != audit.Code || e.Address != test.want {
				t.Errorf("%+v", e)
			}
		})
	}
}

// saying adds a header to each request.
type saying [2]string

func (s saying) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(s[0], s[1])
	return http.DefaultTransport.RoundTrip(req)
}

// Pages belong to the host of the issuer, where that is known.
func TestOtherHost(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // where httptest's requests are from
	for name, test := range map[string]struct {
		issuer, host string
		proxies      []netip.Prefix
		headers      []string
		want         int
	}{
		"its own":                                {"https://auth.example", "auth.example", proxies, nil, 400},
		"in capitals, with the usual port":       {"https://auth.example", "AUTH.example:443", proxies, nil, 400},
		"another one":                            {"https://auth.example", "evil.example", proxies, nil, 421},
		"another port":                           {"https://auth.example", "auth.example:8443", proxies, nil, 421},
		"said by a proxy":                        {"https://auth.example", "backend:9000", proxies, []string{"X-Forwarded-Host", "auth.example"}, 400},
		"another one, said by a proxy":           {"https://auth.example", "auth.example", proxies, []string{"X-Forwarded-Host", "evil.example"}, 421},
		"behind a proxy of which we do not know": {"https://auth.example", "backend:9000", nil, nil, 400},
		"rebinding":                              {"http://127.0.0.1:9000", "evil.example:9000", nil, nil, 421},
		"loopback":                               {"http://127.0.0.1:9000", "127.0.0.1:9000", nil, nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := authserver.New(t.Context(), authserver.Options{
				Issuer: test.issuer, Store: memory.New(nil), Login: local.New(), TrustedProxies: test.proxies,
				Resources: []authserver.Resource{{URI: "https://mcp.example/mcp"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, path := range []string{"/authorize", "/consent", "/login", "/login/callback"} {
				method, want := http.MethodGet, test.want
				r := httptest.NewRequest(method, "http://"+test.host+path, nil)
				for i := 0; i < len(test.headers); i += 2 {
					r.Header.Set(test.headers[i], test.headers[i+1])
				}
				rec := httptest.NewRecorder()
				s.ServeHTTP(rec, r)
				if misdirected := rec.Code == http.StatusMisdirectedRequest; misdirected != (want == 421) {
					t.Errorf("%s: %d", path, rec.Code)
				} else if misdirected && !strings.Contains(rec.Body.String(), test.issuer) {
					t.Errorf("the page does not say where the server is: %s", rec.Body)
				}
			}
			// What programs ask for depends on no host.
			r := httptest.NewRequest(http.MethodGet, "http://"+test.host+"/jwks", nil)
			rec := httptest.NewRecorder()
			s.ServeHTTP(rec, r)
			if rec.Code != http.StatusOK {
				t.Errorf("jwks: %d", rec.Code)
			}
		})
	}
}
