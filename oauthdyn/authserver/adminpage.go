// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/clientdoc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const (
	// freshSignIn is how long after a sign-in an administrator may end something.
	// Later the page can still be read.
	freshSignIn = 15 * time.Minute

	// adminPageSize is how many records the page of administrators shows.
	adminPageSize = 50
)

// adminNotices are what the page of administrators can say after a change.
var adminNotices = map[string]string{
	"revoked": "Done: the grant has ended.",
	"all":     "Done: the grants have ended.",
	"deleted": "Done: the client and its grants have ended.",
	"gone":    "That had ended before.",
}

// showAdmin shows clients, one client, or grants: the query says which.
func (s *Server) showAdmin(w http.ResponseWriter, r *http.Request, v visit) {
	q := r.URL.Query()
	page := pages.Admin{
		Action: s.path(pathAdmin), CSRF: v.csrf, Notice: adminNotices[q.Get("done")], Username: cmp.Or(v.Name, v.Subject),
		Client: q.Get("client"), Person: q.Get("person"), Search: q.Get("q"),
	}
	var err error
	switch {
	case page.Client != "":
		err = s.addClient(r, &page)
	case q.Get("view") == pages.ViewKeys:
		err = s.addKeys(r, &page)
	case page.Person != "" || q.Get("view") == pages.ViewGrants:
		err = s.addGrants(r, &page, admin.GrantQuery{Subject: page.Person})
	default:
		err = s.addClients(r, &page)
	}
	if refused, ok := errors.AsType[*admin.Error](err); ok && refused.Code == admin.CodeNotFound && page.Notice != "" {
		page.Client = "" // it ended with its last grant
		err = s.addClients(r, &page)
	}
	if _, ok := errors.AsType[*admin.Error](err); ok {
		s.errorPage(w, http.StatusNotFound, "There is nothing to see", "what you want to see has ended, or the address is wrong")
		return
	}
	if err != nil {
		s.failOwn(w, s.internal(r, "show the page of administrators", err))
		return
	}
	pages.Render(w, http.StatusOK, page, "")
}

// addClients adds registered clients.
func (s *Server) addClients(r *http.Request, page *pages.Admin) error {
	page.View = pages.ViewClients
	list, err := s.admin.ListClients(r.Context(), admin.ClientQuery{Search: page.Search, After: r.URL.Query().Get("after"), N: adminPageSize})
	if err != nil {
		return err
	}
	for i := range list.Clients {
		page.Clients = append(page.Clients, s.shownClient(&list.Clients[i]))
	}
	if list.Next != "" {
		page.Next = s.adminURL("q", page.Search, "after", list.Next)
	}
	return nil
}

// addClient adds one client with its grants.
func (s *Server) addClient(r *http.Request, page *pages.Admin) error {
	page.View = pages.ViewClient
	found, err := s.admin.ShowClient(r.Context(), admin.ClientID{ID: page.Client})
	if err != nil {
		return err
	}
	page.Clients = []pages.Client{s.shownClient(&found.Client)}
	page.Total = found.Grants
	return s.addGrants(r, page, admin.GrantQuery{ClientID: page.Client})
}

// addGrants adds grants of a person, of a client or of everybody.
func (s *Server) addGrants(r *http.Request, page *pages.Admin, q admin.GrantQuery) error {
	q.After, q.N = r.URL.Query().Get("after"), adminPageSize
	list, err := s.admin.ListGrants(r.Context(), q)
	if err != nil {
		return err
	}
	page.View = cmp.Or(page.View, pages.ViewGrants)
	for i := range list.Grants {
		g := &list.Grants[i]
		page.Grants = append(page.Grants, pages.Grant{
			ID:     g.ID,
			Client: nameOf(g.ClientName, g.ClientID), ClientID: g.ClientID, ClientURL: s.adminURL("client", g.ClientID),
			Subject: g.Subject, PersonURL: s.adminURL("person", g.Subject),
			Scopes: s.shownScopes(g.Scopes), Resources: s.shownResources(g.Resources),
			Since: g.Created, Refreshed: g.Refreshed, Ends: g.Ends,
		})
	}
	if list.Next != "" {
		page.Next = s.adminURL("client", page.Client, "person", page.Person, "view", "grants", "after", list.Next)
	}
	return nil
}

// shownClient is a client as administrators see it.
func (s *Server) shownClient(c *admin.Client) pages.Client {
	return pages.Client{
		ID: c.ID, Name: nameOf(c.ClientName, c.ID), Document: c.Document, Home: c.ClientURI, Hosts: c.RedirectHosts(),
		URL: s.adminURL("client", c.ID), Created: c.Created, Used: c.Used,
	}
}

// nameOf is what administrators get to see of a client's name; one that did not
// register has none.
func nameOf(name, id string) string {
	if name == "" && clientdoc.IsDocument(id) {
		name = id
	}
	return displayName(&store.Client{Metadata: oauthdyn.ClientMetadata{ClientName: name}})
}

// changeAdmin ends what an administrator chose, if the sign-in is fresh: a
// browser that was left alone must not be enough.
func (s *Server) changeAdmin(w http.ResponseWriter, r *http.Request, v visit) {
	if time.Since(v.Since) > freshSignIn {
		page, _ := s.findOwnPage(pathAdmin)
		s.askSignIn(w, http.StatusForbidden, page, v, "Nothing was changed: your sign-in is more than 15 minutes old. Sign in again, then repeat what you wanted to do.")
		return
	}
	because(r.Context(), "by "+v.Subject)
	ctx := audit.As(r.Context(), audit.ByAdmin)
	form := r.PostForm
	view := []string{"client", form.Get("client"), "person", form.Get("person")}
	if form.Get("client") == "" && form.Get("person") == "" {
		view = []string{"view", form.Get("view")}
	}
	var done string
	var err error
	switch form.Get("action") {
	case "revoke":
		done = "revoked"
		_, err = s.admin.RevokeGrant(ctx, admin.GrantID{ID: form.Get("grant")})
	case "revoke-all":
		done = "all"
		_, err = s.admin.RevokeGrants(ctx, admin.Owner{Subject: form.Get("person"), ClientID: form.Get("client")})
	case "delete":
		done, view = "deleted", nil
		_, err = s.admin.DeleteClient(ctx, admin.ClientID{ID: form.Get("client")})
	}
	switch refused, ok := errors.AsType[*admin.Error](err); {
	case ok && refused.Code == admin.CodeNotFound:
		done = "gone"
	case ok:
		s.errorPage(w, http.StatusBadRequest, "That did not work", refused.Text)
		return
	case err != nil:
		s.failOwn(w, s.internal(r, "change something for an administrator", err))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, s.adminURL(append(view, "done", done)...), http.StatusSeeOther)
}

// addKeys adds the signing keys, which are changed by command only.
func (s *Server) addKeys(r *http.Request, page *pages.Admin) error {
	page.View = pages.ViewKeys
	list, err := admin.Call[KeyList](r.Context(), s.admin, OpListKeys, struct{}{})
	if err != nil {
		return err
	}
	for _, k := range list.Keys {
		page.Keys = append(page.Keys, pages.Key{
			ID: k.ID, Algorithm: k.Algorithm, State: string(k.State), Sealed: k.Sealed,
			Created: k.Created, Signs: k.Signs, Retires: k.Retires, Until: k.Until,
		})
	}
	return nil
}

// adminURL is an address of the page; parameters without value are left out.
func (s *Server) adminURL(params ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		if params[i+1] != "" {
			query.Set(params[i], params[i+1])
		}
	}
	return s.path(pathAdmin) + "?" + query.Encode()
}
