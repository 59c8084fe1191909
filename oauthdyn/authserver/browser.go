// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Kinds of transactions.
const (
	kindConsent store.Kind = "consent" // an authorization that waits for consent
	kindLogin   store.Kind = "login"   // one that has it, and waits for the sign-in
	kindSession store.Kind = "session" // a browser whose person is known
	kindAccount store.Kind = "account" // what the Login keeps of a person

	kindDevice      store.Kind = "device"       // what one has asked for, by its user code
	kindDeviceState store.Kind = "device-state" // whether it waits, by its device code
	kindDevicePoll  store.Kind = "device-poll"  // that it has asked a moment ago

	countDeviceStarts store.Kind = "device-starts"
	countGuesses      store.Kind = "device-guesses"

	kindAssertion   store.Kind = "assertion"  // the jti of one that was used
	countAssertions store.Kind = "assertions" // of one client
)

// authorizationTTL bounds the time for consent and sign-in together.
const authorizationTTL = 10 * time.Minute

// Names of cookies, without the prefix.
const (
	cookieBrowser = "oauthdyn-browser"
	cookieSession = "oauthdyn-session"
)

// cookieName adds the prefix that makes browsers enforce Secure, Path=/ and no
// Domain. It cannot be had over plain http.
func (s *Server) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

func (s *Server) setCookie(w http.ResponseWriter, name, value string) {
	cookie := &http.Cookie{
		Name:     s.cookieName(name),
		Value:    value,
		Path:     "/",
		Secure:   s.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// cookie returns the value of our cookie, or "".
func (s *Server) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil || len(c.Value) > 256 {
		return ""
	}
	return c.Value
}

// browser returns the secret that marks this browser, giving it one if it has
// none. It ties a transaction to the browser that began it.
func (s *Server) browser(w http.ResponseWriter, r *http.Request) string {
	if secret := s.cookie(r, cookieBrowser); secret != "" {
		return secret
	}
	secret := randomString(secretBytes)
	s.setCookie(w, cookieBrowser, secret)
	return secret
}

// csrfToken proves that a form was made for this browser and this transaction.
func csrfToken(browser string, kind store.Kind, tx string) string {
	mac := hmac.New(sha256.New, []byte(browser))
	mac.Write([]byte(string(kind) + "\x00" + tx))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// sameOrigin reports whether a POST comes from one of our own pages, as far as
// the browser says. Pages with Referrer-Policy no-referrer send "Origin: null",
// which says nothing.
func (s *Server) sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Get("Origin")
		return origin == "" || origin == s.origin
	}
	return false
}

// putAuthorization stores an authorization under a fresh or known id.
func (s *Server) putAuthorization(ctx context.Context, kind store.Kind, id string, a *authorization) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.o.Store.PutTransaction(ctx, kind, store.HashOf(id), data, time.Now().Add(authorizationTTL))
}

// ownAuthorization returns an authorization if this browser began it.
func (s *Server) ownAuthorization(r *http.Request, kind store.Kind, id string) (*authorization, error) {
	data, err := s.o.Store.Transaction(r.Context(), kind, store.HashOf(id))
	if err != nil {
		return nil, err
	}
	a := &authorization{}
	if err := json.Unmarshal(data, a); err != nil {
		return nil, err
	}
	if !a.Browser.Equal(store.HashOf(s.cookie(r, cookieBrowser))) {
		return nil, store.ErrNotFound
	}
	return a, nil
}

// takeTransaction ends a transaction. Of several requests one succeeds.
func (s *Server) takeTransaction(ctx context.Context, kind store.Kind, id string) error {
	_, err := s.o.Store.TakeTransaction(ctx, kind, store.HashOf(id))
	return err
}

// A session is a person who is signed in at a browser.
type session struct {
	User
	Since time.Time `json:"since,omitzero"` // of the sign-in
}

// session returns who is signed in at this browser, and may still be; without
// Subject if nobody is.
func (s *Server) session(r *http.Request) (u session) {
	id := s.cookie(r, cookieSession)
	if id == "" {
		return session{}
	}
	data, err := s.o.Store.Transaction(r.Context(), kindSession, store.HashOf(id))
	if err != nil || json.Unmarshal(data, &u) != nil {
		return session{}
	}
	if err := s.recheck(r.Context(), u.User); err != nil {
		// The sign-in that follows says what is wrong.
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "session not continued", slog.String("subject", u.Subject), slog.String("error", err.Error()))
		return session{}
	}
	return u
}

// startSession signs a person in. The id is always new, so that nobody can
// prepare a session for somebody else.
func (s *Server) startSession(w http.ResponseWriter, r *http.Request, u User) error {
	if err := s.dropSession(r); err != nil {
		return err
	}
	now := time.Now()
	data, err := json.Marshal(session{u, now})
	if err != nil {
		return err
	}
	id := randomString(secretBytes)
	if err := s.o.Store.PutTransaction(r.Context(), kindSession, store.HashOf(id), data, now.Add(s.o.SessionTTL)); err != nil {
		return err
	}
	s.setCookie(w, cookieSession, id)
	return nil
}

// endSession signs the person out at this browser.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	s.setCookie(w, cookieSession, "")
	return s.dropSession(r)
}

// dropSession removes this browser's session, if it has one.
func (s *Server) dropSession(r *http.Request) error {
	err := s.takeTransaction(r.Context(), kindSession, s.cookie(r, cookieSession))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
