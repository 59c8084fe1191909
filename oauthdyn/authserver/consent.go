// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/usercode"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/withdrawal"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

// defaultScopeText explains scopes that need no Options.ScopeText.
var defaultScopeText = map[string]string{
	ScopeOfflineAccess: "Stay connected when you are not using it",
}

// startConsent asks the person for consent, unless a known person gave it
// before.
func (s *Server) startConsent(w http.ResponseWriter, r *http.Request, a *authorization, client *store.Client) {
	browser := s.browser(w, r)
	a.Browser = store.HashOf(browser)
	a.User = s.session(r).User
	if a.User.Subject != "" && rememberable(a) {
		approved, err := s.approved(r.Context(), a)
		if err != nil {
			s.redirectError(w, r, a, s.internal(r, "look up a consent", err))
			return
		}
		if approved {
			because(r.Context(), "allowed before")
			s.issueCode(w, r, a)
			return
		}
	}
	s.askConsent(w, r, a, client, browser)
}

// askConsent shows the consent page.
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request, a *authorization, client *store.Client, browser string) {
	id := randomString(secretBytes)
	if err := s.putAuthorization(r.Context(), kindConsent, id, a); err != nil {
		s.redirectError(w, r, a, s.internal(r, "keep an authorization", err))
		return
	}
	page := pages.Consent{
		Action:    s.path(pathConsent),
		Tx:        id,
		CSRF:      csrfToken(browser, kindConsent, id),
		Client:    displayName(client),
		ClientURI: client.Metadata.ClientURI,
		Voucher:   documentHost(client),
		Username:  a.User.Name,
		Host:      redirectHost(a.RedirectURI),
		Loopback:  redirecturi.IsLoopback(a.RedirectURI),
		Private:   !isWebURL(a.RedirectURI),
		Resources: s.shownResources(a.Resources),
		Scopes:    s.shownScopes(a.Scopes),
		Apps:      s.url(pathApps),
	}
	if a.Device != nil {
		page.Code, page.Private = usercode.Format(a.Device.UserCode), false
	}
	pages.Render(w, http.StatusOK, page, a.RedirectURI)
}

// shownResources are resources as people know them.
func (s *Server) shownResources(uris []string) (list []pages.Resource) {
	for _, uri := range uris {
		if r, ok := s.resource(uri); ok {
			list = append(list, pages.Resource{Name: r.Name, URI: r.URI})
		} else {
			list = append(list, pages.Resource{URI: uri})
		}
	}
	return list
}

// shownScopes are scopes in words.
func (s *Server) shownScopes(scopes []string) (list []pages.Scope) {
	for _, scope := range scopes {
		text := s.o.ScopeText[scope]
		if text == "" {
			text = defaultScopeText[scope]
		}
		list = append(list, pages.Scope{Name: scope, Text: text})
	}
	return list
}

// displayName is what people get to see of a client's name.
func displayName(c *store.Client) string {
	if name := pages.Clean(c.Metadata.ClientName); name != "" {
		return name
	}
	return "An app without a name"
}

// redirectHost is what people get to see of a redirect URI.
func redirectHost(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host != "" && isWebURL(uri):
		return u.Host
	}
	return u.Scheme + "://" + u.Host
}

// serveConsent takes the answer of the consent page.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	a, id, ok := s.ownForm(w, r, kindConsent)
	if !ok {
		return
	}
	// The answer counts once, whatever it is.
	if err := s.takeTransaction(r.Context(), kindConsent, id); err != nil {
		s.staleForm(w)
		return
	}
	noteAuthorization(r.Context(), a)
	switch r.PostForm.Get("action") {
	case "approve":
		s.auditAs(r.Context(), audit.Consent, audit.ByPerson, nil)
		s.consented(w, r, a)
	case "switch":
		s.switchUser(w, r, a)
	default:
		s.deny(w, r, a)
	}
}

// consented goes on after consent: to the code if the person is known, else to
// the sign-in.
func (s *Server) consented(w http.ResponseWriter, r *http.Request, a *authorization) {
	if a.User.Subject != "" && s.session(r).User == a.User {
		s.remember(r, a)
		s.issueCode(w, r, a)
		return
	}
	a.User = User{}
	id := randomString(secretBytes)
	if err := s.putAuthorization(r.Context(), kindLogin, id, a); err != nil {
		s.redirectError(w, r, a, s.internal(r, "keep an authorization", err))
		return
	}
	http.Redirect(w, r, s.path(pathLogin)+"?tx="+id, http.StatusSeeOther)
}

// switchUser signs the person out and asks for consent again.
func (s *Server) switchUser(w http.ResponseWriter, r *http.Request, a *authorization) {
	if err := s.endSession(w, r); err != nil {
		s.redirectError(w, r, a, s.internal(r, "end a session", err))
		return
	}
	a.User = User{}
	client, err := s.client(r.Context(), a.ClientID)
	if err != nil {
		s.staleForm(w)
		return
	}
	s.askConsent(w, r, a, client, s.browser(w, r))
}

func (s *Server) deny(w http.ResponseWriter, r *http.Request, a *authorization) {
	if a.Page != "" {
		s.backTo(w, r, a.Page, "")
		return
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "consent denied", slog.String("client_id", a.ClientID))
	err := fail(0, oauthdyn.CodeAccessDenied, "the person did not allow it")
	s.auditAs(r.Context(), audit.Consent, audit.ByPerson, err)
	s.redirectError(w, r, a, err)
}

// ownForm returns the transaction of a form that this browser was shown, or
// answers the request itself.
func (s *Server) ownForm(w http.ResponseWriter, r *http.Request, kind store.Kind) (*authorization, string, bool) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		s.errorPage(w, http.StatusMethodNotAllowed, "Nothing to see here", "this address takes answers of a form only")
		return nil, "", false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, http.StatusBadRequest, "The form cannot be read", "it is malformed or too long")
		return nil, "", false
	}
	id := r.PostForm.Get("tx")
	token := []byte(csrfToken(s.cookie(r, cookieBrowser), kind, id))
	if !s.sameOrigin(r) || !equal(token, []byte(r.PostForm.Get("csrf"))) {
		s.staleForm(w)
		return nil, "", false
	}
	a, err := s.ownAuthorization(r, kind, id)
	if err != nil {
		s.staleForm(w)
		return nil, "", false
	}
	return a, id, true
}

func (s *Server) staleForm(w http.ResponseWriter) {
	s.errorPage(w, http.StatusForbidden, "This page has expired",
		"it was answered before, was left open for too long, or belongs to another browser. Start over in the app")
}

// rememberable reports whether a consent may be remembered: not if another
// program on the person's device could take the client's place (RFC 8252
// section 8.6).
func rememberable(a *authorization) bool {
	return isWebURL(a.RedirectURI) && !redirecturi.IsLoopback(a.RedirectURI)
}

// remember keeps the consent of a known person.
func (s *Server) remember(r *http.Request, a *authorization) {
	if !rememberable(a) {
		return
	}
	fingerprint, err := s.fingerprint(r.Context(), a)
	if err == nil {
		err = s.o.Store.Approve(r.Context(), a.User.Subject, fingerprint, time.Now().Add(s.o.GrantTTL))
	}
	if err != nil {
		// The person is asked again next time.
		s.log.LogAttrs(r.Context(), slog.LevelError, "consent could not be remembered", slog.String("error", err.Error()))
	}
}

// approved reports whether a known person has consented before.
func (s *Server) approved(ctx context.Context, a *authorization) (bool, error) {
	fingerprint, err := s.fingerprint(ctx, a)
	if err != nil {
		return false, err
	}
	return s.o.Store.Approved(ctx, a.User.Subject, fingerprint)
}

// fingerprint stands for what was consented to: the client and what it says of
// itself, where it sends the person, and what it gets. It changes when consent
// is withdrawn.
func (s *Server) fingerprint(ctx context.Context, a *authorization) (store.Hash, error) {
	scopes, resources := slices.Sorted(slices.Values(a.Scopes)), slices.Sorted(slices.Values(a.Resources))
	values := []any{a.ClientID, a.Registration, redirectHost(a.RedirectURI), scopes, resources}
	withdrawn, err := withdrawal.Last(ctx, s.o.Store, a.User.Subject, a.ClientID)
	if withdrawn != "" {
		values = append(values, withdrawn)
	}
	return hashOf(values...), err
}

// registrationHash stands for what people judge a client by, and what it proves
// to be that client with. When that changes, they are asked again.
func registrationHash(c *store.Client) store.Hash {
	m := &c.Metadata
	return hashOf(m.ClientName, m.ClientURI, slices.Sorted(slices.Values(m.RedirectURIs)), m.TokenEndpointAuthMethod, m.JWKSURI, m.JWKS)
}

// hashOf is the hash of values as JSON.
func hashOf(values ...any) store.Hash {
	data, err := json.Marshal(values)
	if err != nil {
		panic(errors.New("strings cannot be encoded")) // cannot happen
	}
	return sha256.Sum256(data)
}
