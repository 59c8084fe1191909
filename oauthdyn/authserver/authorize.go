// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/remote"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

const (
	maxAuthorizeBytes = 16 << 10 // parameters of a request
	maxFormBytes      = 64 << 10 // body of a POST
	maxState          = 4 << 10
	maxResources      = 8
)

// An authorization is a request to the authorization endpoint that was found
// valid, on its way through consent and sign-in. Its redirect URI may be
// trusted.
type authorization struct {
	Browser     store.Hash `json:"browser"` // hash of the browser's cookie
	ClientID    string     `json:"client_id"`
	RedirectURI string     `json:"redirect_uri"`
	State       []byte     `json:"state,omitempty"` // comes back byte by byte, text or not
	Challenge   string     `json:"code_challenge"`
	Scopes      []string   `json:"scopes,omitempty"`
	Resources   []string   `json:"resources"`

	// KeyThumbprint is dpop_jkt; empty if there is none.
	KeyThumbprint string `json:"jkt,omitempty"`

	// Device is the request of a device, which there is no redirect to; nil:
	// there is one.
	Device *deviceRequest `json:"device,omitempty"`

	// Registration stands for what the client says of itself.
	Registration store.Hash `json:"registration"`

	// User is who was signed in when consent was asked for; its Subject is
	// empty if nobody was.
	User User `json:"user,omitzero"`

	// Page is where a person goes who signs in without an app; all that is about
	// an app is empty then.
	Page string `json:"page,omitempty"`

	// Login and Choice belong to the Login.
	Login  []byte `json:"login,omitempty"`
	Choice string `json:"choice,omitempty"`
}

// unavailableError is a failure that is nobody's mistake and may pass.
type unavailableError struct{ text string }

func (e *unavailableError) Error() string { return e.text }

// serveAuthorize is the authorization endpoint: OAuth 2.1 section 4.1.1.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	params, err := authorizeParams(w, r)
	if err != nil {
		s.errorPage(w, http.StatusBadRequest, "The request cannot be read", err.Error())
		return
	}
	client, redirectURI, err := s.resolveClient(r.Context(), params)
	if err != nil {
		// Neither the client nor the URI is known to be honest: no redirect.
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*unavailableError](err); ok {
			status = http.StatusServiceUnavailable
		}
		s.audit(r.Context(), audit.Authorize, fail(0, oauthdyn.CodeInvalidRequest, err.Error()))
		s.errorPage(w, status, "This sign-in link does not work", err.Error())
		return
	}
	a := &authorization{ClientID: client.ID, RedirectURI: redirectURI, Registration: registrationHash(client)}
	noteAuthorization(r.Context(), a)
	if err := s.readAuthorization(params, a); err != nil {
		s.audit(r.Context(), audit.Authorize, err)
		s.redirectError(w, r, a, err)
		return
	}
	s.startConsent(w, r, a, client)
}

// authorizeParams reads the parameters of a GET or POST.
func authorizeParams(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if len(r.URL.RawQuery) > maxAuthorizeBytes {
			return nil, errors.New("its parameters are too long")
		}
		params, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, errors.New("its parameters are malformed")
		}
		return withValue(params), nil
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, maxAuthorizeBytes)
		if err := r.ParseForm(); err != nil {
			return nil, errors.New("its parameters are malformed or too long")
		}
		return withValue(r.PostForm), nil
	}
	return nil, errors.New("it must be a GET or a POST")
}

// withValue drops parameters without a value, which count as omitted: RFC 6749
// sections 3.1 and 3.2.
func withValue(params url.Values) url.Values {
	maps.DeleteFunc(params, func(_ string, values []string) bool { return len(values) == 1 && values[0] == "" })
	return params
}

// resolveClient finds the client and the redirect URI of a request. The errors
// are shown to the person.
func (s *Server) resolveClient(ctx context.Context, params url.Values) (*store.Client, string, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(params[name]) > 1 {
			return nil, "", errors.New("the app sent " + name + " more than once")
		}
	}
	id := params.Get("client_id")
	if id == "" {
		return nil, "", errors.New("the app did not say who it is (client_id is missing)")
	}
	client, err := s.client(ctx, id)
	if e := remote.AsError(err); e != nil {
		if e.Temporary {
			return nil, "", &unavailableError{e.Text}
		}
		return nil, "", e
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, "", errors.New("the app is not registered here, or its registration has expired (unknown client_id); start over in the app, and if that does not help, remove the connection there and add it again")
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "client could not be looked up", slog.String("error", err.Error()))
		return nil, "", &unavailableError{"the server cannot look up the app right now; try again later"}
	}
	registered := client.Metadata.RedirectURIs
	given := params.Get("redirect_uri")
	switch {
	case given == "" && len(registered) == 1 && !redirecturi.IsLoopback(registered[0]): // whose port may be another one's
		given = registered[0]
	case given == "":
		return nil, "", errors.New("the app did not say where to send you (redirect_uri is missing)")
	case !redirecturi.Match(registered, given):
		return nil, "", errors.New("the app wants to send you to an address that it did not register (redirect_uri)")
	}
	if err := s.checkSchemes([]string{given}); err != nil { // it may have been registered when they were accepted
		return nil, "", errors.New("the app wants to send you to an address with a scheme of its own (redirect_uri), which is not accepted here")
	}
	return client, given, nil
}

// readAuthorization checks the other parameters. The errors go to the client.
func (s *Server) readAuthorization(params url.Values, a *authorization) *oauthdyn.Error {
	invalid := func(description string) *oauthdyn.Error {
		return fail(0, oauthdyn.CodeInvalidRequest, description)
	}
	if state := params["state"]; len(state) == 1 && len(state[0]) <= maxState {
		a.State = []byte(state[0])
	} else if len(state) > 0 {
		return invalid("state must be given once and have at most 4096 bytes")
	}
	for name, values := range params {
		if len(values) > 1 && name != "resource" {
			return invalid("a parameter is repeated")
		}
	}
	switch {
	case params.Has("request"):
		return fail(0, "request_not_supported", "request objects are not supported")
	case params.Has("request_uri"):
		return fail(0, "request_uri_not_supported", "request objects are not supported")
	case params.Get("response_type") == "":
		return invalid("response_type is missing")
	case params.Get("response_type") != oauthdyn.ResponseTypeCode:
		return fail(0, oauthdyn.CodeUnsupportedResponseType, "response_type must be code")
	case params.Has("response_mode") && params.Get("response_mode") != "query":
		return invalid("response_mode must be query")
	case params.Get("code_challenge") == "":
		return invalid("code_challenge is missing: PKCE is required")
	case params.Get("code_challenge_method") != "S256":
		return invalid("code_challenge_method must be S256")
	case !validChallenge(params.Get("code_challenge")):
		return invalid("code_challenge is not a base64url SHA-256")
	case params.Has("dpop_jkt") && !validThumbprint(params.Get("dpop_jkt")):
		return invalid("dpop_jkt is not a base64url SHA-256")
	}
	a.KeyThumbprint = params.Get("dpop_jkt")
	a.Challenge = params.Get("code_challenge")

	resources, err := s.chooseResources(params["resource"])
	if err != nil {
		return err
	}
	for _, r := range resources {
		a.Resources = append(a.Resources, r.URI)
	}
	a.Scopes, err = chooseScopes(params.Get("scope"), resources)
	return err
}

// validChallenge checks for the base64url form of 32 bytes: RFC 7636 section 4.2.
func validChallenge(s string) bool { return len(s) == 43 && onlyUnreserved(s) }

// onlyUnreserved checks for the characters of RFC 7636 section 4.1.
func onlyUnreserved(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}

// chooseResources finds the resources of a request: RFC 8707 section 2. Without
// any it is the first one we know.
func (s *Server) chooseResources(uris []string) ([]Resource, *oauthdyn.Error) {
	if len(uris) == 0 {
		return s.resources[:1], nil
	}
	if len(uris) > maxResources {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidTarget, "too many resources")
	}
	var chosen []Resource
	for _, uri := range uris {
		r, ok := s.resource(uri)
		if !ok {
			return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidTarget, "no tokens are issued for this resource")
		}
		if !slices.ContainsFunc(chosen, func(c Resource) bool { return c.URI == r.URI }) {
			chosen = append(chosen, r)
		}
	}
	return chosen, nil
}

// chooseScopes cuts the requested scopes to what the resources have. Who asks
// for none in particular gets all.
func chooseScopes(requested string, resources []Resource) ([]string, *oauthdyn.Error) {
	var known []string
	for _, r := range resources {
		known = append(known, r.Scopes...)
	}
	wanted := strings.Fields(requested)
	if len(wanted) == 0 {
		wanted = known
	}
	var scopes []string
	for _, scope := range wanted {
		if (slices.Contains(known, scope) || scope == ScopeOfflineAccess) && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) == 0 && len(known) > 0 {
		return nil, fail(http.StatusBadRequest, oauthdyn.CodeInvalidScope, "none of the requested scopes exists for this resource")
	}
	return scopes, nil
}

// redirect sends the browser back to the client: OAuth 2.1 section 4.1.2, with
// the issuer (RFC 9207).
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, a *authorization, params url.Values) {
	params.Set("iss", s.o.Issuer)
	if len(a.State) > 0 {
		params.Set("state", string(a.State))
	}
	h := w.Header()
	h.Set("Location", redirecturi.Append(a.RedirectURI, params))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	status := http.StatusSeeOther
	if r.Method == http.MethodGet {
		status = http.StatusFound
	}
	w.WriteHeader(status)
}

func (s *Server) redirectError(w http.ResponseWriter, r *http.Request, a *authorization, e *oauthdyn.Error) {
	if a.Device != nil {
		s.refuseDevice(w, r, a, e)
		return
	}
	if a.Page != "" {
		s.failOwn(w, e)
		return
	}
	params := url.Values{"error": {e.Code}}
	if e.Description != "" {
		params.Set("error_description", plainText(e.Description))
	}
	s.redirect(w, r, a, params)
}

// errorPage tells the person what is wrong. The text must be ours; it becomes a
// sentence.
func (s *Server) errorPage(w http.ResponseWriter, status int, title, text string) {
	pages.Render(w, status, pages.Error{
		Title:  title,
		Text:   strings.ToUpper(text[:1]) + text[1:] + ".",
		Advice: "You can close this page.",
	}, "")
}
