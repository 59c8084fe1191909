// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

// Registration says which clients can register, and how often. The limits count
// clients that are new, in a minute, at all servers of a store together; whoever
// is over one gets 429 and Retry-After. Zero stands for the default, a negative
// number for no limit.
type Registration struct {
	// PerNetwork limits a /24 of IPv4 or a /64 of IPv6. The default, 300, is
	// generous: all users of a hosted app come from a few addresses.
	PerNetwork int

	// PerSoftware limits clients with the same software_id and redirect URIs;
	// default 60.
	PerSoftware int

	// InAll limits them all. Within the default, 600, a flood cannot fill a store
	// with the default Limits: unused clients make room after ten minutes.
	InAll int

	// AlwaysNew gives each registration a client id of its own. Otherwise a
	// public client that registers with the metadata of another one, but for
	// ports of loopback redirect URIs, gets the same client id, so that programs
	// which register each time they start do not pile up. Nobody can manage
	// (RFC 7592) a client from the moment that two share it.
	AlwaysNew bool

	// NoPrivateSchemes refuses redirect URIs other than https and http on a
	// loopback address, as a strict reading of MCP asks for. Otherwise private-use
	// schemes (RFC 8252 section 7.1) are accepted if they have a dot, or are
	// those of well-known apps, as in cursor://.
	NoPrivateSchemes bool
}

func (r *Registration) complete() {
	for limit, value := range map[*int]int{&r.PerNetwork: 300, &r.PerSoftware: 60, &r.InAll: 600} {
		if *limit == 0 {
			*limit = value
		}
	}
}

// Kinds of counters.
const (
	kindByNetwork  store.Kind = "registrations of a network"
	kindBySoftware store.Kind = "registrations of a software"
	kindInAll      store.Kind = "registrations"
)

// limitRegistrations counts a new client.
func (s *Server) limitRegistrations(w http.ResponseWriter, r *http.Request, md *oauthdyn.ClientMetadata) *oauthdyn.Error {
	return s.within(w, r, "too many clients register right now; try again later, with the registration that you have if you have one",
		limit{kindBySoftware, hashOf(md.SoftwareID, alike(md.RedirectURIs)), s.o.Registration.PerSoftware},
		limit{kindByNetwork, hashOf(networkOf(r)), s.o.Registration.PerNetwork},
		limit{kindInAll, store.Hash{}, s.o.Registration.InAll})
}

const (
	// maxShared is how many clients of the same metadata there are at most that
	// could be shared; beyond, each registration makes a client of its own.
	maxShared = 4

	// shareUnused is how old a client that never got a token may be to be
	// shared: it could be collected soon.
	shareUnused = time.Hour
)

// sharedClient finds the client that a registration shares with an earlier one,
// or else the id of the new client. The id is derived from the metadata, so that
// of several registrations at the same time one makes the client. It is
// store.ErrConflict if there was another one: try again.
func (s *Server) sharedClient(r *http.Request, md *oauthdyn.ClientMetadata) (*store.Client, string, error) {
	if md.TokenEndpointAuthMethod != oauthdyn.AuthMethodNone || s.o.Registration.AlwaysNew {
		return nil, clientIDPrefix + randomString(clientIDBytes), nil
	}
	// Where registration is closed, clients are shared among those who have the
	// same initial access token.
	owner := ""
	if len(s.o.InitialAccessTokens) > 0 {
		owner = bearerToken(r)
	}
	fp := fingerprint(owner, md)
	for n := range maxShared {
		id := sharedID(fp, n)
		client, err := s.o.Store.Client(r.Context(), id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, id, nil
		case err != nil:
			return nil, "", err
		case fingerprint(owner, &client.Metadata) != fp: // its owner has changed it
		case client.Used.IsZero() && time.Since(client.Created) >= shareUnused:
		default:
			err := s.share(r.Context(), client)
			return client, "", err
		}
	}
	return nil, clientIDPrefix + randomString(clientIDBytes), nil
}

// share takes the registration access token of a client away from whoever was
// the first to register it: the others must not lose the client to them.
func (s *Server) share(ctx context.Context, client *store.Client) error {
	if client.Registration.IsZero() {
		return nil
	}
	registration := client.Registration
	client.Registration, client.Former = store.Hash{}, store.Hash{}
	err := s.o.Store.UpdateClient(ctx, *client, registration)
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrConflict
	}
	return err
}

// fingerprint stands for the metadata of a client. Two that have the same are
// the same to everybody.
func fingerprint(owner string, md *oauthdyn.ClientMetadata) store.Hash {
	m := *md
	m.RedirectURIs = alike(m.RedirectURIs)
	return hashOf(owner, m)
}

// alike spells redirect URIs that match the same requests the same way.
func alike(uris []string) []string {
	uris = slices.Clone(uris)
	for i, uri := range uris {
		uris[i] = redirecturi.WithoutPort(uri)
	}
	slices.Sort(uris)
	return slices.Compact(uris)
}

// sharedID is the n-th id of clients with a fingerprint.
func sharedID(fp store.Hash, n int) string {
	id := hashOf("client id", fp, n)
	return clientIDPrefix + base64.RawURLEncoding.EncodeToString(id[:clientIDBytes])
}
