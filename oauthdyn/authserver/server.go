// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/clientdoc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/remote"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose/jwt"
)

// Paths of the endpoints, below the path of the issuer.
const (
	pathAuthorize     = "/authorize"
	pathConsent       = "/consent"
	pathLogin         = "/login"
	pathLoginCallback = "/login/callback"
	pathToken         = "/token"
	pathRevoke        = "/revoke"
	pathIntrospect    = "/introspect"
	pathRegister      = "/register"
	pathDevice        = "/device"
	pathDeviceStart   = "/device_authorization"
	pathJWKS          = "/jwks"
	pathApps          = "/apps"
	pathAdmin         = "/admin"
)

// ErrStore reports that the store failed when the signing keys or the
// revocations were read from it, or a key was made. Other errors of New, but for
// ErrKeysSealed, are about the options. Server.Ready reports it too.
var ErrStore = errors.New("store")

// collectInterval is how often the store is cleaned up.
const collectInterval = time.Minute

// A Server is an authorization server. It is safe for concurrent use.
type Server struct {
	o         Options
	origin    string // scheme and host of the issuer
	base      string // path of the issuer, without a slash at the end
	secure    bool   // https
	loopback  bool   // the issuer is on a loopback address
	resources []Resource
	keys      *Keys
	routes    map[string]http.Handler
	feed      *feed
	documents *clientdoc.Reader // nil: none are read

	clientKeys *remote.Reader[*jwt.Keys] // that a jwks_uri names
	issuers    *issuerKeys               // of those that are trusted

	proofs   jwt.Replays
	log      *slog.Logger
	accounts accountLocks
	admin    *admin.Service

	stop       context.CancelFunc
	background sync.WaitGroup
}

// New checks the options, loads the signing keys from the store or makes the
// first one, and starts what has to be done regularly: the clean-up of the
// store, the rotation of the keys, and the feeding of Options.Revocations. Close
// ends that.
func New(ctx context.Context, o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("authserver: %w", err)
	}
	issuer, err := url.Parse(o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("authserver: %w", err)
	}
	s := &Server{
		o:         o,
		origin:    issuer.Scheme + "://" + issuer.Host,
		base:      issuer.Path,
		secure:    issuer.Scheme == "https",
		loopback:  isLoopback(issuer.Hostname()),
		resources: o.Resources,
		log:       o.Logger,
		accounts:  newAccountLocks(),
	}
	s.documents, s.clientKeys = s.newDocuments(o.ClientDocuments), newClientKeys(o.ClientDocuments)
	s.issuers = newIssuerKeys(o.issuers())
	if err := s.checkClientKeys(); err != nil {
		return nil, fmt.Errorf("authserver: %w", err)
	}
	s.keys, err = OpenKeys(KeyOptions{Store: o.Store, SealingKey: o.SealingKey, OldSealingKeys: o.OldSealingKeys, Algorithm: o.SigningAlgorithm, Rotation: o.KeyRotation, Logger: s.log})
	if err != nil {
		return nil, err
	}
	if err := s.keys.keep(ctx); errors.Is(err, ErrKeysSealed) {
		return nil, fmt.Errorf("authserver: %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("authserver: %w: signing keys: %w", ErrStore, err)
	}
	s.keys.audit = s.auditAdmin
	s.feed = newFeed(&s.o)
	s.admin = admin.New(admin.Options{Store: o.Store, ApprovalTTL: o.GrantTTL, Changed: s.revoked, Audit: s.auditAdmin, Logger: s.log})
	s.keys.AddTo(s.admin)
	if err := s.feed.readOn(ctx); err != nil {
		return nil, fmt.Errorf("authserver: %w: revocations: %w", ErrStore, err)
	}
	if err := s.buildRoutes(); err != nil {
		return nil, fmt.Errorf("authserver: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.background.Go(func() { s.collect(background) })
	s.background.Go(func() { s.feed.run(background) })
	s.background.Go(func() { s.keys.run(background) })
	return s, nil
}

// Close stops what New has started and waits for it. Requests can still be
// served. It can be called more than once.
func (s *Server) Close() {
	s.stop()
	if s.documents != nil {
		s.documents.Close()
	}
	s.clientKeys.Close()
	s.issuers.close()
	s.background.Wait()
}

// Keys returns the signing keys.
func (s *Server) Keys() *Keys { return s.keys }

// collect removes what has expired from the store until ctx ends.
func (s *Server) collect(ctx context.Context) {
	ticker := time.NewTicker(collectInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := s.o.Store.Collect(ctx); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelError, "store could not be cleaned up", slog.String("error", err.Error()))
		}
	}
}

func (s *Server) buildRoutes() error {
	s.routes = map[string]http.Handler{
		s.base + pathAuthorize:     s.onlyAtIssuer(s.serveAuthorize),
		s.base + pathConsent:       s.onlyAtIssuer(s.serveConsent),
		s.base + pathLogin:         s.onlyAtIssuer(s.serveLogin),
		s.base + pathLoginCallback: s.onlyAtIssuer(s.serveLogin),
		s.base + pathToken:         crossOrigin(http.HandlerFunc(s.serveToken), http.MethodPost),
		s.base + pathRevoke:        crossOrigin(http.HandlerFunc(s.serveRevoke), http.MethodPost),
		s.base + pathRegister:      crossOrigin(http.HandlerFunc(s.serveRegister), http.MethodPost),
	}
	if s.o.DeviceFlow {
		s.routes[s.base+pathDevice] = s.onlyAtIssuer(s.serveDevice)
		s.routes[s.base+pathDeviceStart] = crossOrigin(http.HandlerFunc(s.serveDeviceAuthorization), http.MethodPost)
	}
	for _, page := range s.ownPages() {
		s.routes[s.base+page.path] = s.onlyAtIssuer(s.serveOwn(page))
	}
	if len(s.o.ResourceServers) > 0 {
		s.routes[s.base+pathIntrospect] = only(http.HandlerFunc(s.serveIntrospect), http.MethodPost, []string{http.MethodPost})
	}
	return s.addDocuments()
}

// ServeHTTP serves the endpoints. Mount it at the root of the issuer's origin.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = withNote(s.forwarded(r))
	if h := s.routes[r.URL.Path]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, s.path(pathRegister)+"/"); ok {
		crossOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serveManage(w, r, id) }),
			http.MethodGet, http.MethodPut, http.MethodDelete).ServeHTTP(w, r)
		return
	}
	notFound(w)
}

func notFound(w http.ResponseWriter) {
	writeError(w, &oauthdyn.Error{Code: "not_found", Description: "there is no such endpoint", Status: http.StatusNotFound})
}

// path returns the absolute path of an endpoint.
func (s *Server) path(endpoint string) string { return s.base + endpoint }

// url returns the address of an endpoint.
func (s *Server) url(endpoint string) string { return s.o.Issuer + endpoint }

// resource finds a configured resource.
func (s *Server) resource(uri string) (Resource, bool) { return findResource(s.resources, uri) }

// findResource finds a resource. A slash at the end makes no difference: clients
// disagree about it.
func findResource(resources []Resource, uri string) (Resource, bool) {
	canonical, err := oauthdyn.CanonicalResource(uri)
	if err != nil {
		return Resource{}, false
	}
	for _, r := range resources {
		if strings.TrimSuffix(r.URI, "/") == strings.TrimSuffix(canonical, "/") {
			return r, true
		}
	}
	return Resource{}, false
}

// randomString returns n random bytes as base64url.
func randomString(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// secretBytes is the size of codes, tokens and session ids: 256 bits.
const secretBytes = 32
