// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"net/http"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// kindPage marks the forms of pages that people open themselves.
const kindPage store.Kind = "page"

// An ownPage is a page that people open themselves, without an app that has sent
// them. They sign in for it, and its forms are good for this sign-in only.
type ownPage struct {
	path   string // below the issuer
	title  string
	prompt string // for those who are not signed in
	get    func(http.ResponseWriter, *http.Request, visit)
	post   func(http.ResponseWriter, *http.Request, visit) // a form, which is ours
	admins bool                                            // for Options.Admins
}

// A visit is a request of somebody who is signed in.
type visit struct {
	session
	csrf string
}

func (s *Server) ownPages() []ownPage {
	list := []ownPage{{
		path: pathApps, title: "Connected apps",
		prompt: "Sign in to see which apps may use servers in your name, and to take that back.",
		get:    s.showApps, post: s.changeApps,
	}}
	if len(s.o.Admins) > 0 {
		list = append(list, ownPage{
			path: pathAdmin, title: "Administration",
			prompt: "This page is for the administrators of the server.",
			get:    s.showAdmin, post: s.changeAdmin, admins: true,
		})
	}
	return list
}

// findOwnPage finds the page that somebody signs in for.
func (s *Server) findOwnPage(path string) (ownPage, bool) {
	list := s.ownPages()
	i := slices.IndexFunc(list, func(p ownPage) bool { return p.path == path })
	if i < 0 {
		return ownPage{}, false
	}
	return list[i], true
}

// serveOwn serves such a page.
func (s *Server) serveOwn(p ownPage) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := visit{session: s.session(r)}
		if v.Subject != "" {
			note(r.Context()).Subject = v.Subject
			if p.admins && !s.isAdmin(v.Subject) {
				notFound(w)
				return
			}
		}
		// The token dies with the session, and with the browser's cookie.
		v.csrf = csrfToken(s.browser(w, r), kindPage, p.path+"\x00"+s.cookie(r, cookieSession))
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			if v.Subject == "" {
				s.askSignIn(w, http.StatusOK, p, v, p.prompt)
				return
			}
			p.get(w, r, v)
		case http.MethodPost:
			s.serveOwnForm(w, r, p, v)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			s.errorPage(w, http.StatusMethodNotAllowed, "Nothing to see here", "this address takes GET and POST only")
		}
	}
}

// serveOwnForm takes a form of such a page, after a look at where it is from.
func (s *Server) serveOwnForm(w http.ResponseWriter, r *http.Request, p ownPage, v visit) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, http.StatusBadRequest, "The form cannot be read", "it is malformed or too long")
		return
	}
	if !s.sameOrigin(r) || !equal([]byte(v.csrf), []byte(r.PostForm.Get("csrf"))) {
		s.errorPage(w, http.StatusForbidden, "This page has expired",
			"you have signed in or out since it was shown, or it belongs to another browser. Nothing was changed; open it again")
		return
	}
	switch action := r.PostForm.Get("action"); {
	case action == "sign-in":
		s.signInFor(w, r, p)
	case action == "sign-out":
		if err := s.endSession(w, r); err != nil {
			s.failOwn(w, s.internal(r, "end a session", err))
			return
		}
		s.backTo(w, r, p.path, "")
	case v.Subject == "":
		s.askSignIn(w, http.StatusForbidden, p, v, "You are not signed in any more. Nothing was changed.")
	default:
		p.post(w, r, v)
	}
}

// askSignIn lets people sign in who want a page. They begin that themselves, so
// that no link can.
func (s *Server) askSignIn(w http.ResponseWriter, status int, p ownPage, v visit, text string) {
	pages.Render(w, status, pages.SignIn{Action: s.path(p.path), CSRF: v.csrf, Title: p.title, Text: text}, "")
}

// Limits of sign-ins for such a page, in a minute: everybody can begin one, and
// each is kept for authorizationTTL.
const (
	kindSignIns         store.Kind = "sign-ins of a network"
	kindAllSignIns      store.Kind = "sign-ins"
	maxSignInsOfNetwork            = 100
	maxSignIns                     = 1000
)

// signInFor begins a sign-in that ends at the page.
func (s *Server) signInFor(w http.ResponseWriter, r *http.Request, p ownPage) {
	err := s.within(w, r, "too many people sign in right now; try again in a minute",
		limit{kindSignIns, hashOf(networkOf(r)), maxSignInsOfNetwork}, limit{kindAllSignIns, store.Hash{}, maxSignIns})
	if err != nil {
		s.failOwn(w, err)
		return
	}
	id := randomString(secretBytes)
	a := &authorization{Browser: store.HashOf(s.cookie(r, cookieBrowser)), Page: p.path}
	if err := s.putAuthorization(r.Context(), kindLogin, id, a); err != nil {
		s.failOwn(w, s.internal(r, "keep a sign-in", err))
		return
	}
	http.Redirect(w, r, s.path(pathLogin)+"?tx="+id, http.StatusSeeOther)
}

// backTo shows a page after a change, so that to load it again changes nothing.
func (s *Server) backTo(w http.ResponseWriter, r *http.Request, path, query string) {
	if query != "" {
		query = "?" + query
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, s.path(path)+query, http.StatusSeeOther)
}

// failOwn shows an error that no app gets to hear.
func (s *Server) failOwn(w http.ResponseWriter, err *oauthdyn.Error) {
	status := err.Status
	if status == 0 {
		status = http.StatusForbidden
	}
	s.errorPage(w, status, "That did not work", err.Description)
}

// isAdmin reports whether a person is one of Options.Admins.
func (s *Server) isAdmin(subject string) bool { return slices.Contains(s.o.Admins, subject) }
