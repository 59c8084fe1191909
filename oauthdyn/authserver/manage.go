// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// serveManage is the client configuration endpoint: RFC 7592. Who has the
// registration access token of a client reads, replaces and deletes its
// registration; of everybody else it cannot be told whether there is the
// client.
func (s *Server) serveManage(w http.ResponseWriter, r *http.Request, id string) {
	token := bearerToken(r)
	client, err := s.registered(r.Context(), id, token)
	if errors.Is(err, store.ErrNotFound) {
		s.audit(r.Context(), audit.Manage, fail(0, oauthdyn.CodeInvalidToken, "the registration access token is wrong, or there is no such client"))
		refuseBearer(w, r, "the registration access token is wrong, or the client was deleted")
		return
	}
	if err != nil {
		writeError(w, s.internal(r, "look up a client", err))
		return
	}
	note(r.Context()).ClientID = client.ID
	switch r.Method {
	case http.MethodDelete:
		s.deleteClient(w, r, client)
	case http.MethodPut:
		s.replaceClient(w, r, client, token)
	default:
		writeJSON(w, http.StatusOK, s.information(client, "", token))
	}
}

// registered returns a client if the registration access token is one of its
// own, else ErrNotFound. After a rotation the old token is good until the new
// one is used: the reply with the new one may have been lost.
func (s *Server) registered(ctx context.Context, id, token string) (*store.Client, error) {
	client, err := s.o.Store.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		client, err = &store.Client{}, nil // take as long as with a known client
	}
	if err != nil {
		return nil, err
	}
	given := store.HashOf(token)
	present, former := given.Equal(client.Registration), given.Equal(client.Former)
	switch {
	case !present && !former:
		return nil, store.ErrNotFound
	case former || client.Former.IsZero():
		return client, nil
	}
	client.Former = store.Hash{}
	err = s.o.Store.UpdateClient(ctx, *client, client.Registration)
	if errors.Is(err, store.ErrConflict) { // a request at the same time; it had the token, too
		return s.o.Store.Client(ctx, id)
	}
	return client, err
}

// maxUpdates bounds how often an update is tried while others come first.
const maxUpdates = 4

// replaceClient is the update of RFC 7592 section 2.2. All metadata is replaced;
// what is left out gets its default.
func (s *Server) replaceClient(w http.ResponseWriter, r *http.Request, client *store.Client, token string) {
	md := &oauthdyn.ClientMetadata{}
	// The members that RFC 7592 section 2.2 forbids are ignored: clients send
	// back what they were told, and they change nothing.
	var identity struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	refuse := func(err *oauthdyn.Error) {
		s.auditAs(r.Context(), audit.Update, audit.ByClient, err)
		writeError(w, err)
	}
	if err := readRegistration(r, &identity, md); err != nil {
		refuse(err)
		return
	}
	switch {
	case identity.ClientID != client.ID:
		refuse(fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "client_id must be there, and be that of the client"))
		return
	case identity.ClientSecret != "" && !client.Secret.Equal(store.HashOf(identity.ClientSecret)):
		refuse(fail(http.StatusBadRequest, oauthdyn.CodeInvalidClientMetadata, "client_secret cannot be chosen; leave it out"))
		return
	}
	if err := s.checkRegistration(md); err != nil {
		refuse(err)
		return
	}
	for range maxUpdates {
		next, secret, newToken := nextClient(client, md, token)
		err := s.o.Store.UpdateClient(r.Context(), *next, client.Registration)
		if err == nil {
			info := s.information(next, secret, newToken)
			s.auditAs(r.Context(), audit.Update, audit.ByClient, nil)
			s.log.LogAttrs(r.Context(), slog.LevelInfo, "client updated", slog.Any("client", info))
			writeJSON(w, http.StatusOK, info)
			return
		}
		if errors.Is(err, store.ErrConflict) {
			client, err = s.registered(r.Context(), client.ID, token)
		}
		if errors.Is(err, store.ErrNotFound) {
			refuseBearer(w, r, "the registration was changed or deleted in the meantime")
			return
		}
		if err != nil {
			refuse(s.internal(r, "update a client", err))
			return
		}
	}
	w.Header().Set("Retry-After", "1")
	refuse(fail(http.StatusServiceUnavailable, oauthdyn.CodeTemporarilyUnavailable, "the registration is being changed by others"))
}

// nextClient is a client after an update with a registration access token: with
// a new one, and with a secret if it needs one that it did not have.
func nextClient(client *store.Client, md *oauthdyn.ClientMetadata, token string) (next *store.Client, secret, newToken string) {
	newToken = randomString(secretBytes)
	c := *client
	c.Metadata, c.Registration, c.Former = *md, store.HashOf(newToken), store.HashOf(token)
	switch {
	case !slices.Contains(secretMethods, md.TokenEndpointAuthMethod):
		c.Secret = store.Hash{}
	case c.Secret.IsZero():
		secret = randomString(secretBytes)
		c.Secret = store.HashOf(secret)
	}
	return &c, secret, newToken
}

// deleteClient is that of RFC 7592 section 2.3: the client's grants end with it.
func (s *Server) deleteClient(w http.ResponseWriter, r *http.Request, client *store.Client) {
	err := s.o.Store.DeleteClient(r.Context(), client.ID)
	s.revoked(r.Context())
	if err != nil {
		refused := s.internal(r, "delete a client", err)
		s.auditAs(r.Context(), audit.Delete, audit.ByClient, refused)
		writeError(w, refused)
		return
	}
	s.auditAs(r.Context(), audit.Delete, audit.ByClient, nil)
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "client deleted", slog.String("client_id", client.ID))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// bearerToken returns the bearer token of the Authorization header; "" if there
// is none, or more than one.
func bearerToken(r *http.Request) string {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.Trim(token, " ")
}

// refuseBearer answers a request without a bearer token that is good: RFC 6750
// section 3.
func refuseBearer(w http.ResponseWriter, r *http.Request, description string) {
	challenge := `Bearer realm="registration"`
	if len(r.Header.Values("Authorization")) > 0 {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	writeError(w, fail(http.StatusUnauthorized, oauthdyn.CodeInvalidToken, description))
}
