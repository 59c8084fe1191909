// SPDX-License-Identifier: Apache-2.0

// Package oauthdyntest gives tests a real authorization server and a real
// protected resource on the loopback address, and a [Browser] that signs in.
//
//	srv := oauthdyntest.New(t, &oauthdyntest.Options{Handler: mcpHandler})
//	client, err := oauthdyn.New(oauthdyn.Config{
//		Resource: srv.ResourceURL,
//		OpenURL:  srv.Browser().Open,
//	})
//
// The authorization server registers clients and lets them manage that (RFC
// 7591, RFC 7592), revokes (RFC 7009), introspects (RFC 7662) and binds tokens
// to keys (RFC 9449), with [Options.Adjust] also otherwise: with DeviceFlow
// people enter the code of a device by Browser.Enter, and Clients and
// IdentityProviders get tokens for programs without a person and for the people
// of an organization. [Server.SetFaults]
// makes it misbehave; [Server.RevokeGrants] and [Server.RevokeAccess] end what
// was issued. A [ClientDocument] is an app that needs no registration.
package oauthdyntest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/oauthdyntest/browser"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// The person who can sign in.
const (
	Username = "alice"
	Password = "correct horse battery staple"
)

// What a resource server introspects tokens with (RFC 7662).
const (
	ResourceServerID     = "resource-server"
	ResourceServerSecret = "a secret of the resource server"
)

// Browser signs a person in without a screen; see package browser, which does
// not import testing.
type Browser = browser.Browser

// Options configure New. The zero value is fine.
type Options struct {
	// Handler is served at Server.ResourceURL to requests with a valid token.
	// Nil: one that answers with the name of the person.
	Handler http.Handler

	// ResourcePath is the path of ResourceURL. Default "/mcp".
	ResourcePath string

	// Scopes are those of the resource, all required to reach Handler.
	Scopes []string

	// DPoPRequired makes the resource refuse bearer tokens; otherwise it takes
	// both, those that are bound to a key (RFC 9449) with a proof.
	DPoPRequired bool

	// Resources are further resources that tokens can be issued for, served by
	// the test itself.
	Resources []authserver.Resource

	// Adjust may change the options of the authorization server.
	Adjust func(*authserver.Options)

	// Logger hears what the servers say. Nil: none.
	Logger *slog.Logger
}

// A Server is an authorization server and a resource that it protects, each at
// an origin of its own.
type Server struct {
	Issuer      string              // URL of the authorization server
	ResourceURL string              // URL of the protected resource
	Users       *local.Users        // Username and Password are in it
	Store       store.Store         // of the authorization server
	Resource    *resource.Resource  // around Options.Handler
	AuthServer  *authserver.Server  // behind Issuer
	HTTP        *httptest.Server    // of the authorization server
	Protected   *httptest.Server    // of the resource
	Options     *authserver.Options // that AuthServer got

	current     atomic.Pointer[authserver.Server] // AuthServer
	faults      atomic.Pointer[Faults]
	requests    requests
	revocations resource.Revocations
}

// New starts the servers and stops them when the test ends.
func New(tb testing.TB, o *Options) *Server {
	tb.Helper()
	if o == nil {
		o = &Options{}
	}
	s, err := start(tb, *o)
	if err != nil {
		tb.Fatalf("oauthdyntest: %v", err)
	}
	return s
}

func start(tb testing.TB, o Options) (*Server, error) {
	if o.Handler == nil {
		o.Handler = http.HandlerFunc(greet)
	}
	if o.ResourcePath == "" {
		o.ResourcePath = "/mcp"
	}
	// The servers need each other's address, so that both listen first.
	users, err := openUsers(tb)
	if err != nil {
		return nil, err
	}
	s := &Server{Users: users, HTTP: httptest.NewUnstartedServer(nil), Protected: httptest.NewUnstartedServer(nil)}
	tb.Cleanup(s.HTTP.Close)
	tb.Cleanup(s.Protected.Close)
	s.Issuer = "http://" + s.HTTP.Listener.Addr().String()
	s.ResourceURL = "http://" + s.Protected.Listener.Addr().String() + o.ResourcePath
	if err := s.startAuthServer(tb, o); err != nil {
		return nil, err
	}
	return s, s.startResource(o)
}

// openUsers has Username, with a hash of the least cost: under the race detector
// one of the usual cost takes most of a second.
func openUsers(tb testing.TB) (*local.Users, error) {
	const cheap = "$argon2id$v=19$m=8,t=1,p=1$yNun2iScCLI4dQucATKbqA$/LCITjdHpbJ/aiQoRQU1pMikxmQ+iIyBQvflqxi5664"
	path := filepath.Join(tb.TempDir(), "users")
	if err := os.WriteFile(path, []byte(`{"name":"`+Username+`","hash":"`+cheap+`"}`+"\n"), 0o600); err != nil {
		return nil, err
	}
	return local.Open(path)
}

func (s *Server) startAuthServer(tb testing.TB, o Options) (err error) {
	s.Options = &authserver.Options{
		Issuer:    s.Issuer,
		Login:     s.Users,
		Resources: append([]authserver.Resource{{URI: s.ResourceURL, Name: "Test server", Scopes: o.Scopes}}, o.Resources...),
		Logger:    o.Logger,

		ResourceServers: []authserver.ResourceServer{{ID: ResourceServerID, Secret: ResourceServerSecret}},
		Revocations:     &s.revocations,
	}
	if o.Adjust != nil {
		o.Adjust(s.Options)
	}
	if s.Options.Store == nil {
		s.Options.Store = memory.New(nil)
	}
	s.Store = s.Options.Store
	if err := s.runAuthServer(tb); err != nil {
		return err
	}
	s.HTTP.Config.Handler = s.requests.count(s.misbehave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.current.Load().ServeHTTP(w, r) })))
	s.HTTP.Start()
	return nil
}

func (s *Server) runAuthServer(tb testing.TB) (err error) {
	if s.AuthServer, err = authserver.New(tb.Context(), *s.Options); err != nil {
		return err
	}
	tb.Cleanup(s.AuthServer.Close)
	s.current.Store(s.AuthServer)
	return nil
}

// Restart puts a new authorization server in the place of the old one, which has
// the same store and options and knows nothing else. Nothing else may use
// AuthServer in the meantime.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.AuthServer.Close()
	if err := s.runAuthServer(tb); err != nil {
		tb.Fatalf("oauthdyntest: restart: %v", err)
	}
}

func (s *Server) startResource(o Options) (err error) {
	s.Resource, err = resource.New(resource.Options{
		Resource:             s.ResourceURL,
		AuthorizationServers: []string{s.Issuer},
		Name:                 "Test server",
		Scopes:               o.Scopes,
		RequiredScopes:       o.Scopes,
		Revocations:          &s.revocations,
		DPoPRequired:         o.DPoPRequired,
		Logger:               o.Logger,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(o.ResourcePath, s.Resource.Middleware(o.Handler))
	mux.Handle(s.Resource.MetadataPath(), s.Resource.MetadataHandler())
	s.Protected.Config.Handler = mux
	s.Protected.Start()
	return nil
}

// Browser returns a browser at which the person sits, without cookies yet.
func (s *Server) Browser() *Browser {
	return &Browser{Username: Username, Password: Password}
}

// greet answers with the name of the person.
func greet(w http.ResponseWriter, r *http.Request) {
	p, _ := resource.FromContext(r.Context())
	fmt.Fprintf(w, "hello %s\n", p.Username)
}
