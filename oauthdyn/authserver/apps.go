// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/clientdoc"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/pages"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

// maxShownGrants is how many grants a page shows, the newest ones.
const maxShownGrants = 100

// appsNotices are what the page of connected apps can say after a change.
var appsNotices = map[string]string{
	"revoked": "Done: the app has lost its access.",
	"gone":    "That access had ended before.",
	"all":     "Done: all apps have lost their access.",
	"changed": "Nothing was revoked: the list has changed since it was shown. Have a look at it, and decide again.",
}

// showApps shows people what they have allowed.
func (s *Server) showApps(w http.ResponseWriter, r *http.Request, v visit) {
	grants, err := s.grantsOf(r.Context(), store.Owner{Subject: v.Subject})
	if err != nil {
		s.failOwn(w, s.internal(r, "list grants", err))
		return
	}
	page := pages.Apps{
		Action: s.path(pathApps), CSRF: v.csrf, Notice: appsNotices[r.URL.Query().Get("done")],
		Username: cmp.Or(v.Name, v.Subject), Shown: shownHash(grants),
	}
	if len(grants) > maxShownGrants {
		page.More = len(grants) - maxShownGrants
		grants = grants[:maxShownGrants]
	}
	if page.Grants, err = s.shownGrants(r.Context(), grants); err != nil {
		s.failOwn(w, s.internal(r, "look up clients", err))
		return
	}
	pages.Render(w, http.StatusOK, page, "")
}

// changeApps ends what a person has allowed.
func (s *Server) changeApps(w http.ResponseWriter, r *http.Request, v visit) {
	var done string
	var err error
	switch r.PostForm.Get("action") {
	case "revoke":
		done, err = s.revokeOwn(r, v)
	case "revoke-all":
		done, err = s.revokeAllOwn(r, v)
	}
	if err != nil {
		s.failOwn(w, s.internal(r, "revoke grants", err))
		return
	}
	if done != "" {
		done = "done=" + done
	}
	s.backTo(w, r, pathApps, done)
}

// revokeOwn ends a grant of the person. Of those of others it says what it says
// of none.
func (s *Server) revokeOwn(r *http.Request, v visit) (done string, err error) {
	grants, err := s.o.Store.ListGrants(r.Context(), store.Owner{Subject: v.Subject})
	if err != nil {
		return "", err
	}
	id := r.PostForm.Get("grant")
	if !slices.ContainsFunc(grants, func(g store.Grant) bool { return sessionOf(g.ID) == id }) {
		return "gone", nil
	}
	_, err = s.admin.RevokeGrant(audit.As(r.Context(), audit.ByPerson), admin.GrantID{ID: id})
	if refused, ok := errors.AsType[*admin.Error](err); ok && refused.Code == admin.CodeNotFound {
		return "gone", nil // another request was first
	}
	return "revoked", err
}

// revokeAllOwn ends all grants of the person, if they are those that were shown:
// an old form does not end what was allowed since.
func (s *Server) revokeAllOwn(r *http.Request, v visit) (done string, err error) {
	owner := store.Owner{Subject: v.Subject}
	grants, err := s.grantsOf(r.Context(), owner)
	if err != nil {
		return "", err
	}
	if shownHash(grants) != r.PostForm.Get("shown") {
		return "changed", nil
	}
	_, err = s.RevokeGrants(audit.As(r.Context(), audit.ByPerson), owner)
	return "all", err
}

// grantsOf returns the grants of an owner, the newest first.
func (s *Server) grantsOf(ctx context.Context, o store.Owner) ([]store.Grant, error) {
	grants, err := s.o.Store.ListGrants(ctx, o)
	slices.SortFunc(grants, func(a, b store.Grant) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(sessionOf(a.ID), sessionOf(b.ID)))
	})
	return grants, err
}

// shownHash stands for a list of grants.
func shownHash(grants []store.Grant) string {
	ids := make([]string, len(grants))
	for i := range grants {
		ids[i] = sessionOf(grants[i].ID)
	}
	return sessionOf(hashOf(ids))
}

// shownGrants are grants as people see them.
func (s *Server) shownGrants(ctx context.Context, grants []store.Grant) ([]pages.Grant, error) {
	clients := map[string]*store.Client{}
	list := make([]pages.Grant, len(grants))
	for i := range grants {
		g := &grants[i]
		client, known := clients[g.ClientID]
		if !known {
			var err error
			if client, err = s.knownClient(ctx, g.ClientID); err != nil {
				return nil, err
			}
			clients[g.ClientID] = client
		}
		list[i] = pages.Grant{
			ID: sessionOf(g.ID), Client: displayName(client), ClientID: g.ClientID, Subject: g.Subject,
			Voucher: documentHost(client), Unverified: unverified(client), Hosts: shownHosts(client),
			Scopes: s.shownScopes(g.Scopes), Resources: s.shownResources(g.Resources),
			Since: g.Created, Refreshed: g.Refresh.Rotated, Ends: g.End(),
		}
	}
	return list, nil
}

// knownClient is what is known of a client without asking for its document. It is
// never nil: a client that is gone has its id.
func (s *Server) knownClient(ctx context.Context, id string) (*store.Client, error) {
	found := &store.Client{ID: id}
	if clientdoc.IsDocument(id) {
		found.Metadata = oauthdyn.ClientMetadata{ClientName: id}
		if s.documents != nil {
			if m := s.documents.Known(id); m != nil {
				found.Metadata = *m
			}
		}
		return found, nil
	}
	if machine, ok := s.machineClient(id); ok {
		return machine.record(), nil
	}
	client, err := s.o.Store.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return found, nil
	}
	return client, err
}

// unverified reports whether nobody vouches for where a client sends people.
func unverified(c *store.Client) bool {
	voucher := documentHost(c)
	return voucher == "" || len(c.Metadata.RedirectURIs) == 0 ||
		slices.ContainsFunc(c.Metadata.RedirectURIs, func(uri string) bool { return redirectHost(uri) != voucher })
}

// shownHosts are where a client sends people, each once.
func shownHosts(c *store.Client) (hosts []string) {
	for _, uri := range c.Metadata.RedirectURIs {
		host := redirectHost(uri)
		switch {
		case redirecturi.IsLoopback(uri):
			host += " (your own computer)"
		case !isWebURL(uri):
			host += " (an app on your device)"
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
