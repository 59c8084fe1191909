// SPDX-License-Identifier: Apache-2.0

// Package original reads what the Python server mcp-oauth-dynamicclient 0.2.0,
// which oauthdyn succeeds, keeps in Redis, as records of a store: its clients,
// and the grants of its refresh tokens. So clients need not register again, and
// people need not sign in again.
//
//	old := goredis.NewClient(&goredis.Options{Addr: "redis.example:6379"})
//	defer old.Close()
//	report, err := original.Read(ctx, old, original.Options{Resources: []string{"https://mcp.example.com/mcp"}},
//		func(r store.Record) error { return db.Import(ctx, []store.Record{r}) }) // db is the new store
//
// Access tokens and authorization codes are left behind: the former live as long
// as the verifiers know the old signing key, the latter are spent in a moment.
// Nothing is written to the old Redis, and nothing of a secret but its hash comes
// over.
package original

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/github"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redirecturi"
)

// Names of the keys.
const (
	clientPrefix  = "oauth:client:"
	refreshPrefix = "oauth:refresh:"
)

const (
	scanStep = 500

	// maxRecord is what a record of the original may have.
	maxRecord = 64 << 10

	// maxRedirectURIs is what registration allows.
	maxRedirectURIs = 32

	defaultGrantTTL = 180 * 24 * time.Hour
)

// Options say what the grants are for. Resources is required.
type Options struct {
	// Resources are what the tokens of the grants will be for. Those of the
	// original were for all that asked it.
	Resources []string

	// Scopes are what the grants allow. The original gave every scope that was
	// asked for, and nobody looked at them.
	Scopes []string

	// GrantTTL is how long a grant lasts from now, until the person has to
	// consent again. Default 180 days.
	GrantTTL time.Duration

	// Now is the time; nil means time.Now.
	Now func() time.Time
}

// A Report says what was read.
type Report struct {
	Clients int       `json:"clients"`
	Grants  int       `json:"grants"`
	Skipped []Skipped `json:"skipped"`
}

// Skipped is a client, or a number of refresh tokens of one, that was not read.
type Skipped struct {
	ClientID string `json:"client_id,omitempty"`
	Reason   string `json:"reason"`
}

// Read calls fn with the records. It fails if the Redis does, or fn; what makes
// no sense in there is skipped.
func Read(ctx context.Context, db redis.UniversalClient, o Options, fn func(store.Record) error) (*Report, error) {
	if len(o.Resources) == 0 {
		return nil, errors.New("original: no resource; name the MCP servers that the grants are for")
	}
	if o.GrantTTL <= 0 {
		o.GrantTTL = defaultGrantTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &reader{db: db, o: o, fn: fn, now: o.Now(), clients: map[string]bool{}, people: map[string]bool{}}
	err := r.each(ctx, clientPrefix, r.client)
	if err == nil {
		err = r.each(ctx, refreshPrefix, r.refreshToken)
	}
	if err != nil {
		return nil, fmt.Errorf("original: %w", err)
	}
	slices.SortFunc(r.report.Skipped, func(a, b Skipped) int { return strings.Compare(a.ClientID, b.ClientID) })
	return &r.report, nil
}

type reader struct {
	db      redis.UniversalClient
	o       Options
	fn      func(store.Record) error
	now     time.Time
	clients map[string]bool // those that were read
	people  map[string]bool // likewise, by subject
	report  Report
}

// each calls fn with the rest of the name, and the value, of each key with a
// prefix. A key that a scan shows twice is read twice, which does no harm.
func (r *reader) each(ctx context.Context, prefix string, fn func(ctx context.Context, name string, value []byte) error) error {
	var cursor uint64
	for {
		keys, next, err := r.db.Scan(ctx, cursor, prefix+"*", scanStep).Result()
		if err != nil {
			return err
		}
		for _, key := range keys {
			value, err := r.db.Get(ctx, key).Bytes()
			if errors.Is(err, redis.Nil) {
				continue // it has expired
			}
			if err != nil {
				return err
			}
			if err := fn(ctx, strings.TrimPrefix(key, prefix), value); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (r *reader) skip(clientID, reason string) {
	r.report.Skipped = append(r.report.Skipped, Skipped{clientID, reason})
}

// A clientRecord is a client of the original. Its lists are JSON in strings.
type clientRecord struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret"`
	Expires      int64    `json:"client_secret_expires_at"` // 0: never
	Issued       int64    `json:"client_id_issued_at"`
	RedirectURIs textList `json:"redirect_uris"`
	Name         string   `json:"client_name"`
	ClientURI    string   `json:"client_uri"`
	Registration string   `json:"registration_access_token"`
}

// A textList is a list, or a string with a list in JSON.
type textList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *textList) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		data = []byte(text)
	}
	return json.Unmarshal(data, (*[]string)(l))
}

func (r *reader) client(_ context.Context, id string, value []byte) error {
	if r.clients[id] {
		return nil
	}
	var c clientRecord
	if len(value) > maxRecord || json.Unmarshal(value, &c) != nil || c.ID != id || c.Secret == "" {
		r.skip(id, "its record cannot be read")
		return nil
	}
	if c.Expires != 0 && !r.now.Before(time.Unix(c.Expires, 0)) {
		r.skip(id, "its secret has expired")
		return nil
	}
	uris := slices.DeleteFunc(slices.Clone([]string(c.RedirectURIs)), func(uri string) bool { return redirecturi.Check(uri) != nil })
	if len(uris) == 0 || len(uris) > maxRedirectURIs {
		r.skip(id, "it has no redirect URI that is allowed here")
		return nil
	}
	client := &store.Client{
		ID:     id,
		Secret: store.HashOf(c.Secret),
		Metadata: oauthdyn.ClientMetadata{
			ClientName:              c.Name,
			RedirectURIs:            uris,
			GrantTypes:              []string{oauthdyn.GrantAuthorizationCode, oauthdyn.GrantRefreshToken},
			ResponseTypes:           []string{oauthdyn.ResponseTypeCode},
			TokenEndpointAuthMethod: oauthdyn.AuthMethodClientSecretPost, // the one that worked
		},
		Created: time.Unix(c.Issued, 0),
		Used:    r.now, // when it was, nobody noted
	}
	if c.Registration != "" {
		client.Registration = store.HashOf(c.Registration)
	}
	r.clients[id] = true
	r.report.Clients++
	return r.fn(store.Record{Client: client})
}

// A refreshRecord is a refresh token of the original.
type refreshRecord struct {
	UserID   string `json:"user_id"` // the number of the account at GitHub
	Username string `json:"username"`
	ClientID string `json:"client_id"`
	Created  int64  `json:"created_at"`
}

// refreshToken makes a grant of a refresh token. The token is its handle, too,
// so that the server takes it, and exchanges it for one of its own form.
func (r *reader) refreshToken(ctx context.Context, token string, value []byte) error {
	var record refreshRecord
	if len(value) > maxRecord || json.Unmarshal(value, &record) != nil || record.UserID == "" || strings.Contains(token, ".") {
		r.skip("", "a refresh token's record cannot be read")
		return nil
	}
	if !r.clients[record.ClientID] {
		r.skip(record.ClientID, "a refresh token's client is not there")
		return nil
	}
	ttl, err := r.db.PTTL(ctx, refreshPrefix+token).Result()
	if err != nil {
		return err
	}
	ends := r.now.Add(r.o.GrantTTL)
	expires := ends
	switch {
	case ttl == -2: // it has just expired
		return nil
	case ttl > 0 && r.now.Add(ttl).Before(ends):
		expires = r.now.Add(ttl)
	}
	user, err := github.Known(record.UserID, record.Username, r.now)
	if err != nil {
		r.skip(record.ClientID, "a refresh token is nobody's")
		return nil
	}
	if err := r.person(user, ends); err != nil {
		return err
	}
	r.report.Grants++
	return r.fn(store.Record{Grant: &store.Grant{
		ID:        store.HashOf(token),
		ClientID:  record.ClientID,
		Subject:   user.Subject,
		Username:  user.Name,
		Scopes:    r.o.Scopes,
		Resources: r.o.Resources,
		Created:   time.Unix(record.Created, 0),
		Expires:   ends,
		Refresh:   store.Refresh{Current: store.HashOf(token), Expires: expires},
	}})
}

// person records what a sign-in would have left behind, so that the person can
// be asked about.
func (r *reader) person(user authserver.User, ends time.Time) error {
	if r.people[user.Subject] {
		return nil
	}
	r.people[user.Subject] = true
	record, err := authserver.AccountRecord(user, ends)
	if err != nil {
		return err
	}
	return r.fn(record)
}
