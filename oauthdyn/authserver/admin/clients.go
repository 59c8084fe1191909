// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Names of the operations on clients.
const (
	OpListClients  = "clients/list"   // takes a ClientQuery, returns a ClientPage
	OpShowClient   = "clients/show"   // takes a ClientID, returns ClientDetails
	OpDeleteClient = "clients/delete" // takes a ClientID, returns Ended
)

// A Client is a client. What it says of itself is foreign text. One that did not
// register has no Created; it is a Document, or the server's configuration names
// it.
type Client struct {
	ID      string    `json:"client_id"`
	Created time.Time `json:"created,omitzero"`
	Used    time.Time `json:"used,omitzero"` // to the hour; zero: it never got a token

	// Document: the id is the address of the document that says what the client
	// is.
	Document bool `json:"document,omitempty"`

	oauthdyn.ClientMetadata
}

func clientOf(c *store.Client) Client {
	return Client{ID: c.ID, Created: c.Created, Used: c.Used, ClientMetadata: c.Metadata}
}

// IsDocument reports whether a client id is the address of a client ID metadata
// document.
func IsDocument(id string) bool { return strings.HasPrefix(id, "https://") }

// matches reports whether a client is one that somebody searches for; what is in
// lower case.
func (c *Client) matches(what string) bool {
	if strings.Contains(strings.ToLower(c.ID+"\n"+c.ClientName+"\n"+c.ClientURI), what) {
		return true
	}
	return slices.ContainsFunc(c.RedirectHosts(), func(host string) bool { return strings.Contains(strings.ToLower(host), what) })
}

// RedirectHosts are where the client sends people, each once: the host and port
// of a web address, or the scheme that an installed program answers to.
func (c *Client) RedirectHosts() []string {
	var hosts []string
	for _, uri := range c.RedirectURIs {
		u, err := url.Parse(uri)
		if err != nil {
			continue
		}
		host := u.Host
		if u.Scheme != "https" && u.Scheme != "http" {
			host = u.Scheme + "://" + u.Host
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// ClientQuery asks for clients.
type ClientQuery struct {
	// Search is a part of the id, the name, the home page or the host of a
	// redirect URI. Case does not matter. Empty: all clients.
	Search string `json:"search,omitempty"`

	After string `json:"after,omitempty"` // ClientPage.Next of the page before
	N     int    `json:"n,omitempty"`     // size of the page: default 100, at most 1000
}

// ClientPage is a page of clients, in the order of their ids.
type ClientPage struct {
	Clients []Client `json:"clients"`
	Next    string   `json:"next,omitempty"` // empty: nothing follows
}

// ListClients returns registered clients. A page of a search may hold less than
// it could, though more follow.
func (s *Service) ListClients(ctx context.Context, q ClientQuery) (ClientPage, error) {
	n, err := pageSize(q.N)
	if err != nil {
		return ClientPage{}, err
	}
	what := strings.ToLower(strings.TrimSpace(q.Search))
	page := ClientPage{Clients: []Client{}}
	last := q.After
	for scanned := 0; ; {
		list, err := s.o.Store.ListClients(ctx, last, maxPage)
		if err != nil {
			return ClientPage{}, err
		}
		for i := range list {
			c := clientOf(&list[i])
			if c.matches(what) {
				if len(page.Clients) == n {
					page.Next = last
					return page, nil
				}
				page.Clients = append(page.Clients, c)
			}
			last = c.ID
		}
		if scanned += len(list); len(list) < maxPage {
			return page, nil
		}
		if scanned >= maxScanned {
			page.Next = last
			return page, nil
		}
	}
}

// ClientID names a client.
type ClientID struct {
	ID string `json:"client_id"`
}

// ClientDetails are a client and how many grants it has.
type ClientDetails struct {
	Client Client `json:"client"`
	Grants int    `json:"grants"`
}

// ShowClient returns one client. Of one that did not register nothing is known
// but its grants, and without one it is not found.
func (s *Service) ShowClient(ctx context.Context, q ClientID) (ClientDetails, error) {
	c, err := s.o.Store.Client(ctx, q.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ClientDetails{}, err
	}
	found := ClientDetails{Client: Client{ID: q.ID, Document: IsDocument(q.ID)}}
	if c != nil {
		found.Client = clientOf(c)
	}
	grants, err := s.o.Store.ListGrants(ctx, store.Owner{ClientID: q.ID})
	if err != nil {
		return ClientDetails{}, err
	}
	if found.Grants = len(grants); c == nil && found.Grants == 0 {
		return ClientDetails{}, notFound("there is no client %s", q.ID)
	}
	return found, nil
}

// Ended says how many grants were ended.
type Ended struct {
	Grants int `json:"grants"`
}

// DeleteClient ends a registration, and at once all grants of the client with
// their tokens. A client that did not register is an error with CodeInvalid.
func (s *Service) DeleteClient(ctx context.Context, q ClientID) (Ended, error) {
	found, err := s.ShowClient(ctx, q)
	switch {
	case err != nil:
		return Ended{}, err
	case found.Client.Created.IsZero():
		return Ended{}, invalid("%s did not register: it is a metadata document, or one of the server's configuration; revoke its grants instead", q.ID)
	}
	err = s.o.Store.DeleteClient(ctx, q.ID)
	s.o.Changed(ctx)
	s.o.Audit(ctx, audit.Event{Kind: audit.Delete, ClientID: q.ID, Count: found.Grants}, err)
	if err != nil {
		return Ended{}, err
	}
	s.log(ctx, "client deleted", slog.String("client_id", q.ID), slog.Int("grants", found.Grants))
	return Ended{found.Grants}, nil
}
