// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/usercode"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const (
	// Codes that can be tried in a minute, from one network and in all. There
	// are 25 billion, of which few are good at a time: RFC 8628 section 5.1.
	maxGuesses    = 60
	maxAllGuesses = 600
)

// serveDevice is the page where people enter the code that their device shows:
// RFC 8628 section 3.3. Consent and sign-in follow as for a redirect.
func (s *Server) serveDevice(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		// A code in the address is shown, and not looked up before the person
		// has compared it: section 5.4.
		code := usercode.Format(usercode.Parse(r.URL.Query().Get("user_code")))
		s.askUserCode(w, r, http.StatusOK, code, "")
	case http.MethodPost:
		s.enterUserCode(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		s.errorPage(w, http.StatusMethodNotAllowed, "Nothing to see here", "this address takes GET and POST only")
	}
}

// askUserCode shows the form.
func (s *Server) askUserCode(w http.ResponseWriter, r *http.Request, status int, code, problem string) {
	pages.Render(w, status, pages.Device{
		Action:  s.path(pathDevice),
		CSRF:    csrfToken(s.browser(w, r), kindDevice, ""),
		Code:    code,
		Problem: problem,
	}, "")
}

func (s *Server) enterUserCode(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, http.StatusBadRequest, "The form cannot be read", "it is malformed or too long")
		return
	}
	token := []byte(csrfToken(s.cookie(r, cookieBrowser), kindDevice, ""))
	if s.cookie(r, cookieBrowser) == "" || !s.sameOrigin(r) || !equal(token, []byte(r.PostForm.Get("csrf"))) {
		s.staleForm(w)
		return
	}
	if err := s.within(w, r, "there were too many codes; try again in a minute",
		limit{countGuesses, hashOf(networkOf(r)), maxGuesses}, limit{countGuesses, store.Hash{}, maxAllGuesses}); err != nil {
		s.errorPage(w, err.Status, "Too many codes", err.Description)
		return
	}
	code := usercode.Parse(r.PostForm.Get("user_code"))
	d, err := s.device(r.Context(), code)
	if errors.Is(err, store.ErrNotFound) {
		s.askUserCode(w, r, http.StatusBadRequest, "", "There is no such code, or it has expired. Compare it with what your device shows.")
		return
	}
	var client *store.Client
	if err == nil {
		client, err = s.client(r.Context(), d.ClientID)
	}
	if err != nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "device could not be looked up", slog.String("error", err.Error()))
		s.errorPage(w, http.StatusServiceUnavailable, "This does not work right now", "the server cannot look up the app; try again later")
		return
	}
	s.startConsent(w, r, &authorization{
		ClientID:     client.ID,
		Scopes:       d.Scopes,
		Resources:    d.Resources,
		Registration: registrationHash(client),
		Device:       d,
	}, client)
}

// approveDevice ends a request of a device: it gets its tokens when it asks
// next. Of several people with the same code one can agree.
func (s *Server) approveDevice(w http.ResponseWriter, r *http.Request, a *authorization) {
	if !s.takeDevice(w, r, a) {
		return
	}
	expires := a.Device.Expires
	if soonest := time.Now().Add(s.o.CodeTTL); expires.Before(soonest) {
		expires = soonest
	}
	err := s.putCode(r.Context(), store.Code{
		Hash:      a.Device.Code,
		ClientID:  a.ClientID,
		Subject:   a.User.Subject,
		Username:  a.User.Name,
		Scopes:    a.Scopes,
		Resources: a.Resources,
		Expires:   expires,
	})
	if err != nil {
		s.redirectError(w, r, a, s.internal(r, "issue a code", err))
		return
	}
	noteAuthorization(r.Context(), a)
	s.audit(r.Context(), audit.Code, nil)
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "device allowed",
		slog.String("client_id", a.ClientID), slog.String("subject", a.User.Subject), slog.Any("scopes", a.Scopes))
	pages.Render(w, http.StatusOK, pages.Done{
		Title:  "Your device is connected",
		Text:   "It goes on by itself in a few seconds.",
		Advice: "You can close this page.",
	}, "")
}

// takeDevice ends the time in which a request can be decided on, or tells the
// person that it is over.
func (s *Server) takeDevice(w http.ResponseWriter, r *http.Request, a *authorization) bool {
	err := s.takeTransaction(r.Context(), kindDevice, a.Device.UserCode)
	if errors.Is(err, store.ErrNotFound) {
		s.errorPage(w, http.StatusForbidden, "This code has expired", "it was used, or was entered too late. Start over on your device")
		return false
	}
	if err != nil {
		s.failDevice(w, r, s.internal(r, "take a device", err))
		return false
	}
	return true
}

// refuseDevice ends a request of a device without tokens.
func (s *Server) refuseDevice(w http.ResponseWriter, r *http.Request, a *authorization, e *oauthdyn.Error) {
	if e.Code != oauthdyn.CodeAccessDenied {
		s.failDevice(w, r, e)
		return
	}
	if !s.takeDevice(w, r, a) {
		return
	}
	if err := s.denyDevice(r.Context(), a.Device); err != nil {
		s.failDevice(w, r, s.internal(r, "deny a device", err))
		return
	}
	pages.Render(w, http.StatusOK, pages.Done{
		Title:  "Your device is not connected",
		Text:   "It gets no access.",
		Advice: "You can close this page.",
	}, "")
}

func (s *Server) denyDevice(ctx context.Context, d *deviceRequest) error {
	state, err := json.Marshal(deviceState{ClientID: d.ClientID, Expires: d.Expires, Denied: true})
	if err != nil {
		return err
	}
	return s.o.Store.PutTransaction(ctx, kindDeviceState, d.Code, state, d.Expires.Add(deviceMemory))
}

func (s *Server) failDevice(w http.ResponseWriter, _ *http.Request, e *oauthdyn.Error) {
	status := e.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	s.errorPage(w, status, "Your device could not be connected", strings.TrimSuffix(e.Description, ".")+" ("+strconv.Itoa(status)+")")
}
