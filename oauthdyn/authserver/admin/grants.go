// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/withdrawal"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Names of the operations on grants.
const (
	OpListGrants   = "grants/list"       // takes a GrantQuery, returns a GrantPage
	OpRevokeGrant  = "grants/revoke"     // takes a GrantID, returns the Grant that it was
	OpRevokeGrants = "grants/revoke-all" // takes an Owner, returns Ended
)

// A Grant is what a person has allowed a client.
type Grant struct {
	// ID is the hash of what all refresh tokens of the grant begin with, in
	// hexadecimal digits. SessionID is the same as the sid claim of its access
	// tokens, and the server's log, have it.
	ID        string `json:"id"`
	SessionID string `json:"sid"`

	ClientID   string   `json:"client_id"`
	ClientName string   `json:"client_name,omitempty"` // foreign text; empty if the client did not register
	Subject    string   `json:"sub"`
	Username   string   `json:"username,omitempty"`
	Scopes     []string `json:"scopes,omitempty"`
	Resources  []string `json:"resources"`

	Created   time.Time `json:"created"`
	Refreshed time.Time `json:"refreshed,omitzero"` // when its refresh token was last used
	Ends      time.Time `json:"ends"`               // by itself, if it is not refreshed

	// KeyBound: its refresh tokens are bound to a key (RFC 9449).
	KeyBound bool `json:"key_bound,omitempty"`
}

func grantOf(g *store.Grant) Grant {
	sid, _ := g.ID.MarshalText() // cannot fail
	return Grant{
		ID: hex.EncodeToString(g.ID[:]), SessionID: string(sid),
		ClientID: g.ClientID, Subject: g.Subject, Username: g.Username, Scopes: g.Scopes, Resources: g.Resources,
		Created: g.Created, Refreshed: g.Refresh.Rotated, Ends: g.End(), KeyBound: g.KeyThumbprint != "",
	}
}

// GrantQuery asks for grants.
type GrantQuery struct {
	// Subject and ClientID are whose grants are meant: those of a person, of a
	// client, or of both together. Both empty: all grants.
	Subject  string `json:"sub,omitempty"`
	ClientID string `json:"client_id,omitempty"`

	After string `json:"after,omitempty"` // GrantPage.Next of the page before
	N     int    `json:"n,omitempty"`     // size of the page: default 100, at most 1000
}

// GrantPage is a page of grants, in the order of their ids.
type GrantPage struct {
	Grants []Grant `json:"grants"`
	Next   string  `json:"next,omitempty"` // empty: nothing follows
}

// ListGrants returns the grants that are alive.
func (s *Service) ListGrants(ctx context.Context, q GrantQuery) (GrantPage, error) {
	n, err := pageSize(q.N)
	if err != nil {
		return GrantPage{}, err
	}
	var after store.Hash
	if q.After != "" {
		id, err := hex.DecodeString(q.After)
		if err != nil || len(id) != len(after) {
			return GrantPage{}, invalid("%q is not the end of a page", q.After)
		}
		copy(after[:], id)
	}
	list, err := s.grantsAfter(ctx, store.Owner{Subject: q.Subject, ClientID: q.ClientID}, after, n+1)
	if err != nil {
		return GrantPage{}, err
	}
	page := GrantPage{Grants: []Grant{}}
	for i := range list {
		if i == n {
			page.Next = page.Grants[n-1].ID
			break
		}
		page.Grants = append(page.Grants, grantOf(&list[i]))
	}
	return page, s.nameClients(ctx, page.Grants)
}

// grantsAfter returns n grants at most, in the order of their ids.
func (s *Service) grantsAfter(ctx context.Context, o store.Owner, after store.Hash, n int) ([]store.Grant, error) {
	if o == (store.Owner{}) {
		return s.o.Store.AllGrants(ctx, after, n)
	}
	list, err := s.o.Store.ListGrants(ctx, o)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(g store.Grant) bool { return bytes.Compare(g.ID[:], after[:]) <= 0 })
	slices.SortFunc(list, func(a, b store.Grant) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list[:min(n, len(list))], nil
}

// nameClients looks the names of clients up.
func (s *Service) nameClients(ctx context.Context, grants []Grant) error {
	names := map[string]string{}
	for i := range grants {
		g := &grants[i]
		name, known := names[g.ClientID]
		if !known && !IsDocument(g.ClientID) {
			c, err := s.o.Store.Client(ctx, g.ClientID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if c != nil {
				name = c.Metadata.ClientName
			}
			names[g.ClientID] = name
		}
		g.ClientName = name
	}
	return nil
}

// GrantID names a grant: by its id, by 8 digits at least from the beginning of it
// if no other grant has the same, or by its sid.
type GrantID struct {
	ID string `json:"id"`
}

// RevokeGrant ends one grant with all its tokens, and the consent that it came
// from: the person is asked again. It returns what it was.
func (s *Service) RevokeGrant(ctx context.Context, q GrantID) (Grant, error) {
	g, err := s.find(ctx, q.ID)
	if err != nil {
		return Grant{}, err
	}
	one := []Grant{grantOf(g)}
	if err := s.nameClients(ctx, one); err != nil {
		return Grant{}, err
	}
	owner := store.Owner{Subject: g.Subject, ClientID: g.ClientID}
	err = s.withdraw(ctx, owner, func() error { return s.o.Store.RevokeGrant(ctx, g.ID) })
	s.o.Audit(ctx, audit.Event{Kind: audit.Revoke, ClientID: g.ClientID, Subject: g.Subject, Grant: one[0].SessionID, Count: 1}, err)
	if err != nil {
		return Grant{}, err
	}
	s.log(ctx, "grant revoked", slog.String("client_id", g.ClientID), slog.String("subject", g.Subject), slog.String("sid", one[0].SessionID))
	return one[0], nil
}

// minDigits of an id are enough to name a grant.
const minDigits = 8

// find finds the grant that a text names.
func (s *Service) find(ctx context.Context, text string) (*store.Grant, error) {
	var id store.Hash
	if id.UnmarshalText([]byte(text)) == nil {
		if g, err := s.o.Store.Grant(ctx, id); !errors.Is(err, store.ErrNotFound) {
			return g, err
		}
	}
	digits := strings.ToLower(text)
	if len(digits) < minDigits || len(digits) > 2*len(id) || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil, notFound("there is no grant %q; its id has %d digits or letters a to f, of which %d are enough", text, 2*len(id), minDigits)
	}
	padded, err := hex.DecodeString(digits + strings.Repeat("0", 2*len(id)-len(digits)))
	if err != nil {
		return nil, err // cannot happen
	}
	list, err := s.o.Store.AllGrants(ctx, before(store.Hash(padded)), 2)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(g store.Grant) bool { return !strings.HasPrefix(hex.EncodeToString(g.ID[:]), digits) })
	switch len(list) {
	case 0:
		return nil, notFound("there is no grant %s; it may have ended", text)
	case 1:
		return &list[0], nil
	}
	return nil, invalid("several grants begin with %s; give more of the id", text)
}

// before returns the hash before another one.
func before(h store.Hash) store.Hash {
	for i := len(h) - 1; i >= 0; i-- {
		h[i]--
		if h[i] != 0xff {
			return h
		}
	}
	return store.Hash{} // there is none before zero
}

// Owner says whose grants are meant: those of a person, of a client, or of both
// together. One of the members at least must be there.
type Owner struct {
	Subject  string `json:"sub,omitempty"`
	ClientID string `json:"client_id,omitempty"`
}

// RevokeGrants ends all grants of an owner with all their tokens, and the
// consent that they came from. Consent that led to no grant, or to one that has
// ended, is gone, too.
func (s *Service) RevokeGrants(ctx context.Context, o Owner) (ended Ended, err error) {
	owner := store.Owner(o)
	if owner == (store.Owner{}) {
		return Ended{}, invalid("whose grants? name a person or a client")
	}
	err = s.withdraw(ctx, owner, func() (err error) {
		ended.Grants, err = s.o.Store.RevokeGrants(ctx, owner)
		return err
	})
	s.o.Audit(ctx, audit.Event{Kind: audit.Revoke, ClientID: o.ClientID, Subject: o.Subject, Count: ended.Grants}, err)
	s.log(ctx, "grants revoked", slog.String("client_id", o.ClientID), slog.String("subject", o.Subject), slog.Int("grants", ended.Grants))
	return ended, err
}

// withdraw ends consent before grants, so that no grant is made from it in
// between. Grants end even if consent cannot be ended.
func (s *Service) withdraw(ctx context.Context, o store.Owner, revoke func() error) error {
	err := withdrawal.Record(ctx, s.o.Store, o, time.Now().Add(s.o.ApprovalTTL))
	err = errors.Join(err, revoke())
	s.o.Changed(ctx)
	return err
}
