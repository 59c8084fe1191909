// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
)

// ErrNoRegistration is returned when a registration is to be managed and there
// is none that the authorization server lets its client manage: none at all,
// one made by hand, or one that came without a registration_client_uri.
var ErrNoRegistration = errors.New("no registration that can be managed")

// StoredRegistration returns the registration that the store has for the
// authorization server of this client. Which server that is it finds as Discover
// does, unless it is known; about the registration nobody is asked. Without one
// the error wraps ErrNoRegistration.
func (c *Client) StoredRegistration(ctx context.Context) (*Credentials, error) {
	d, err := c.discoveryFor(ctx, need{})
	var creds *Credentials
	if err == nil {
		creds, err = c.storedRegistration(ctx, d.Issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: registration for %s: %w", c.cfg.target(), err)
	}
	return creds, nil
}

func (c *Client) storedRegistration(ctx context.Context, issuer string) (*Credentials, error) {
	creds, err := c.store.Load(ctx, c.registrationKey(issuer))
	switch {
	case errors.Is(err, ErrNoCredentials):
		return nil, ErrNoRegistration
	case err != nil:
		return nil, err
	case creds.Issuer != issuer || creds.Registration == nil || creds.Registration.Client == nil:
		return nil, ErrNoRegistration
	}
	return creds, nil
}

// ReadRegistration asks the authorization server what it has registered for
// this program (RFC 7592 section 2.1), and stores the answer. Without such a
// registration the error wraps ErrNoRegistration.
func (c *Client) ReadRegistration(ctx context.Context) (*ClientInformation, error) {
	var info *ClientInformation
	err := c.manage(ctx, func(ctx context.Context, m *management) (err error) {
		info, _, err = m.read(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: read registration for %s: %w", c.cfg.target(), err)
	}
	return info, nil
}

// UpdateRegistration changes what the authorization server has registered (RFC
// 7592 section 2.2) and stores the answer. It reads the registration first,
// lets change, which must not be nil, edit it and sends it back whole, with the
// members that this package does not know as they were.
func (c *Client) UpdateRegistration(ctx context.Context, change func(*ClientMetadata)) (*ClientInformation, error) {
	var info *ClientInformation
	err := c.manage(ctx, func(ctx context.Context, m *management) (err error) {
		info, err = m.update(ctx, change)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("oauthdyn: update registration for %s: %w", c.cfg.target(), err)
	}
	return info, nil
}

// DeleteRegistration ends the registration at the authorization server (RFC
// 7592 section 2.3), and forgets it here together with the grant of this
// resource that was issued to it. The grants of other resources end with it,
// too.
func (c *Client) DeleteRegistration(ctx context.Context) error {
	err := c.manage(ctx, func(ctx context.Context, m *management) error { return m.delete(ctx) })
	if err != nil {
		return fmt.Errorf("oauthdyn: delete registration for %s: %w", c.cfg.target(), err)
	}
	return nil
}

// management is one use of the client configuration endpoint. Whoever has it
// holds the locks of the grant and of the registration.
type management struct {
	c     *Client
	creds *Credentials // replaced by every answer that rotates something
}

func (c *Client) manage(ctx context.Context, do func(context.Context, *management) error) error {
	d, err := c.discoveryFor(ctx, need{})
	if err != nil {
		return err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return c.withRegistration(ctx, d.Issuer, func(ctx context.Context, creds *Credentials) error {
		m := &management{c: c, creds: creds}
		switch {
		case creds == nil:
			return ErrNoRegistration
		case !m.possible():
			return m.impossible()
		}
		// The answer may hold the successor of a registration access token.
		ctx, cancel := withGrace(ctx, tokenGrace)
		defer cancel()
		return do(ctx, m)
	})
}

// withRegistration calls do with the stored registration at an issuer, nil if
// there is none, while no other process changes it.
func (c *Client) withRegistration(ctx context.Context, issuer string, do func(context.Context, *Credentials) error) error {
	key := c.registrationKey(issuer)
	if locker, ok := c.store.(Locker); ok {
		unlock, err := locker.Lock(ctx, key)
		if err != nil {
			return err
		}
		defer unlock()
	}
	creds, err := c.storedRegistration(ctx, issuer)
	if err != nil && !errors.Is(err, ErrNoRegistration) {
		return err
	}
	return do(ctx, creds)
}

func (m *management) client() *ClientInformation { return m.creds.Registration.Client }

// possible reports whether the authorization server lets the client manage its
// registration.
func (m *management) possible() bool {
	info := m.client()
	return info.RegistrationClientURI != "" && validToken(info.RegistrationAccessToken)
}

func (m *management) impossible() error {
	return fmt.Errorf("%w: %s offers no management of it (RFC 7592)", ErrNoRegistration, m.creds.Issuer)
}

func (m *management) read(ctx context.Context) (*ClientInformation, []byte, error) {
	body, err := m.send(ctx, http.MethodGet, nil)
	if err != nil {
		return nil, nil, err
	}
	info, err := m.adopt(ctx, body)
	return info, body, err
}

func (m *management) update(ctx context.Context, change func(*ClientMetadata)) (*ClientInformation, error) {
	_, present, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	body, err := editMetadata(present, change)
	if err != nil {
		return nil, err
	}
	if body, err = m.send(ctx, http.MethodPut, body); err != nil {
		return nil, err
	}
	return m.adopt(ctx, body)
}

func (m *management) delete(ctx context.Context) error {
	if err := m.end(ctx); err != nil {
		return err
	}
	grant, err := m.c.load(ctx)
	if err != nil || grant == nil || grant.Issuer != m.creds.Issuer || grant.Grant.ClientID != m.client().ClientID {
		return err
	}
	return m.c.forgetGrant(ctx, grant)
}

// end deletes the registration there, and then here.
func (m *management) end(ctx context.Context) error {
	if _, err := m.send(ctx, http.MethodDelete, nil); err != nil {
		return err
	}
	m.c.log.LogAttrs(ctx, slog.LevelInfo, "registration deleted", slog.Any("client", *m.client()))
	return m.c.store.Delete(context.WithoutCancel(ctx), m.c.registrationKey(m.creds.Issuer))
}

// send makes a request and returns the body of a success.
func (m *management) send(ctx context.Context, method string, body []byte) ([]byte, error) {
	info := m.client()
	if err := m.c.checkURL(info.RegistrationClientURI); err != nil {
		return nil, fmt.Errorf("registration_client_uri: %w", err)
	}
	status, answer, err := m.c.sendJSON(ctx, method, info.RegistrationClientURI, info.RegistrationAccessToken, body)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusOK, method == http.MethodDelete && status == http.StatusNoContent:
		return answer, nil
	case status == http.StatusUnauthorized: // RFC 7592 section 2: it does not say which
		return nil, fmt.Errorf("the registration is gone, or its access token is not valid any more: %w", managementError(status, answer))
	case status == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("authorization server does not support that: %w", managementError(status, answer))
	default:
		return nil, managementError(status, answer)
	}
}

func managementError(status int, body []byte) *Error {
	e := endpointError(status, body)
	if e.Code == "" && status == http.StatusUnauthorized {
		e.Code = CodeInvalidToken
	}
	return e
}

// adopt stores an answer before anybody uses it. The server may have issued
// another secret, access token or address; what it does not repeat stays.
func (m *management) adopt(ctx context.Context, body []byte) (*ClientInformation, error) {
	old := m.client()
	info := &ClientInformation{}
	if err := decodeObject(body, info); err != nil {
		return nil, err
	}
	if info.ClientID != "" && info.ClientID != old.ClientID {
		return nil, errors.New("answer is about another client")
	}
	info.ClientID = old.ClientID
	if info.RegistrationAccessToken == "" {
		info.RegistrationAccessToken = old.RegistrationAccessToken
	}
	if info.RegistrationClientURI == "" {
		info.RegistrationClientURI = old.RegistrationClientURI
	}
	if info.TokenEndpointAuthMethod == "" {
		info.TokenEndpointAuthMethod = old.TokenEndpointAuthMethod
	}
	if info.ClientSecret == "" && info.TokenEndpointAuthMethod != AuthMethodNone {
		info.ClientSecret, info.ClientSecretExpiresAt = old.ClientSecret, old.ClientSecretExpiresAt
	}
	r := &Registration{Client: info, RedirectURI: m.creds.Registration.RedirectURI, Scope: m.creds.Registration.Scope}
	if len(info.RedirectURIs) > 0 && !slices.Contains(info.RedirectURIs, r.RedirectURI) {
		r.RedirectURI = info.RedirectURIs[0]
	}
	m.creds = &Credentials{Issuer: m.creds.Issuer, Registration: r}
	return info, m.save(ctx)
}

func (m *management) save(ctx context.Context) error {
	key := m.c.registrationKey(m.creds.Issuer)
	if err := m.c.store.Save(context.WithoutCancel(ctx), key, m.creds); err != nil {
		return fmt.Errorf("save registration: %w", err)
	}
	return nil
}

// editMetadata lets change edit the metadata of a registration and returns what
// to send. Members that change does not touch stay as they are, null ones and
// those that RFC 7592 section 2.2 forbids are left out.
func editMetadata(present []byte, change func(*ClientMetadata)) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(present, &members); err != nil || members == nil {
		return nil, errors.New("answer is not a JSON object")
	}
	var m ClientMetadata
	if err := decodeObject(present, &m); err != nil {
		return nil, err
	}
	before, err := rawMembers(&m)
	if err != nil {
		return nil, err
	}
	change(&m)
	after, err := rawMembers(&m)
	if err != nil {
		return nil, err
	}
	for name := range before {
		if after[name] == nil {
			delete(members, name)
		}
	}
	for name, value := range after {
		if !bytes.Equal(value, before[name]) {
			members[name] = value
		}
	}
	for name, value := range members {
		if string(value) == "null" {
			delete(members, name)
		}
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		delete(members, name)
	}
	return json.Marshal(members)
}

// rawMembers returns the members of metadata, those that are empty left out.
func rawMembers(m *ClientMetadata) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	return members, json.Unmarshal(data, &members)
}
