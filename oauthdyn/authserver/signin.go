// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/withdrawal"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// serveLogin hands browser requests of a sign-in to the Login. Consent has been
// given in the same browser before.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	a, id, ok := s.loginTransaction(w, r)
	if !ok {
		return
	}
	noteAuthorization(r.Context(), a)
	if r.Method == http.MethodPost && r.PostForm.Get("action") == "deny" {
		if s.takeTransaction(r.Context(), kindLogin, id) != nil {
			s.staleForm(w)
			return
		}
		s.deny(w, r, a)
		return
	}
	target, err := s.signInTarget(r.Context(), a)
	if err != nil {
		s.staleForm(w)
		return
	}
	attempt := &Attempt{
		server:   s,
		id:       id,
		csrf:     csrfToken(s.cookie(r, cookieBrowser), kindLogin, id),
		auth:     a,
		client:   target,
		callback: r.URL.Path == s.path(pathLoginCallback),
	}
	user, err := s.o.Login.ServeLogin(w, r, attempt)
	if err != nil {
		s.auditAs(r.Context(), audit.SignIn, audit.ByPerson, fail(0, oauthdyn.CodeAccessDenied, err.Error()))
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "sign-in failed", slog.String("client_id", a.ClientID), slog.String("error", err.Error()))
		s.errorPage(w, http.StatusForbidden, "You could not be signed in", "start over in the app. The log of the server says more")
		return
	}
	if user != nil {
		s.signedIn(w, r, a, id, *user)
	}
}

// signInTarget is what people sign in for: an app, or a page.
func (s *Server) signInTarget(ctx context.Context, a *authorization) (string, error) {
	if page, ok := s.findOwnPage(a.Page); ok {
		return page.title, nil
	}
	client, err := s.client(ctx, a.ClientID)
	if err != nil {
		return "", err
	}
	return displayName(client), nil
}

// loginTransaction finds the sign-in that a request belongs to, or answers the
// request itself.
func (s *Server) loginTransaction(w http.ResponseWriter, r *http.Request) (*authorization, string, bool) {
	if r.Method == http.MethodPost {
		return s.ownForm(w, r, kindLogin)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, POST")
		s.errorPage(w, http.StatusMethodNotAllowed, "Nothing to see here", "this address takes GET and POST only")
		return nil, "", false
	}
	id := r.URL.Query().Get("tx")
	if r.URL.Path == s.path(pathLoginCallback) {
		id = r.URL.Query().Get("state")
	}
	a, err := s.ownAuthorization(r, kindLogin, id)
	if err != nil {
		s.staleForm(w)
		return nil, "", false
	}
	return a, id, true
}

// signedIn goes on with a known person.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, a *authorization, id string, user User) {
	if user.Subject == "" {
		s.redirectError(w, r, a, s.internal(r, "sign in", errNoSubject))
		return
	}
	if s.takeTransaction(r.Context(), kindLogin, id) != nil {
		s.staleForm(w) // a second reply of the same sign-in
		return
	}
	if err := s.keepAccount(r.Context(), user); err != nil {
		s.redirectError(w, r, a, s.internal(r, "keep an account", err))
		return
	}
	user.Account = ""
	a.User = user
	if err := s.startSession(w, r, user); err != nil {
		s.redirectError(w, r, a, s.internal(r, "start a session", err))
		return
	}
	noteAuthorization(r.Context(), a)
	s.auditAs(r.Context(), audit.SignIn, audit.ByPerson, nil)
	if a.Page != "" {
		s.backTo(w, r, a.Page, "")
		return
	}
	s.remember(r, a)
	s.issueCode(w, r, a)
}

// issueCode ends an authorization: the client gets its code.
func (s *Server) issueCode(w http.ResponseWriter, r *http.Request, a *authorization) {
	if a.Device != nil {
		s.approveDevice(w, r, a)
		return
	}
	code := randomString(secretBytes)
	err := s.putCode(r.Context(), store.Code{
		Hash:        store.HashOf(code),
		ClientID:    a.ClientID,
		RedirectURI: a.RedirectURI,
		Challenge:   a.Challenge,
		Subject:     a.User.Subject,
		Username:    a.User.Name,
		Scopes:      a.Scopes,
		Resources:   a.Resources,
		Expires:     time.Now().Add(s.o.CodeTTL),

		KeyThumbprint: a.KeyThumbprint,
	})
	if err != nil {
		s.redirectError(w, r, a, s.internal(r, "issue a code", err))
		return
	}
	noteAuthorization(r.Context(), a)
	s.audit(r.Context(), audit.Code, nil)
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "code issued",
		slog.String("client_id", a.ClientID), slog.String("subject", a.User.Subject), slog.Any("scopes", a.Scopes))
	s.redirect(w, r, a, url.Values{oauthdyn.ResponseTypeCode: {code}})
}

// putCode stores a code of a person, which ends when consent is withdrawn.
func (s *Server) putCode(ctx context.Context, code store.Code) (err error) {
	if code.Withdrawn, err = withdrawal.Last(ctx, s.o.Store, code.Subject, code.ClientID); err != nil {
		return err
	}
	return s.o.Store.PutCode(ctx, code)
}
