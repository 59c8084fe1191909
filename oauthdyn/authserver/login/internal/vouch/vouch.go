// SPDX-License-Identifier: Apache-2.0

// Package vouch keeps what an identity provider said of people, and decides
// later whether that still holds.
package vouch

import (
	"context"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/sealing"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/allow"
)

const (
	// DefaultCheckEvery is the default of Keeper.CheckEvery.
	DefaultCheckEvery = time.Minute

	// holdOff is how long a provider that did not answer is left alone.
	holdOff = 30 * time.Second

	// DefaultMaxAge is the default of Keeper.MaxAge.
	DefaultMaxAge = 24 * time.Hour

	minKey = 32 // bytes

	// maxUnnamed bounds the groups and addresses of a person, in bytes, that are
	// kept though no entry names them.
	maxUnnamed = 8 << 10
)

// ErrRevoked is what Ask returns for a token that the provider does not take.
var ErrRevoked = errors.New("the provider does not take the token any more")

// A Keeper decides about the people of one provider. Its fields must not change
// while it is in use; then it is safe for concurrent use.
type Keeper struct {
	Prefix string // of subjects; allow.Person.ID follows
	Allow  allow.List

	// Key encrypts tokens of the provider. Nil: they are not kept.
	Key []byte

	// OldKeys decrypt what was encrypted before Key took their place.
	OldKeys [][]byte

	// CheckEvery is how long a person is not asked about again; negative: each
	// Recheck asks.
	CheckEvery time.Duration

	// MaxAge is how long the provider's word counts when it cannot be asked
	// again.
	MaxAge time.Duration

	// Lasting reports that nothing the provider could say later would matter,
	// so that it need not be asked. Nil: never.
	Lasting func(allow.Person) bool

	// Ask asks the provider about a person with a token from Answer.
	Ask func(ctx context.Context, token string) (Answer, error)

	down atomic.Pointer[outage]
}

// An Answer is what a provider says of a person, and the token for asking again,
// if there is one.
type Answer struct {
	Person allow.Person
	Token  string
}

type outage struct {
	since time.Time
	err   error
}

// kept is the form of authserver.User.Account.
type kept struct {
	Person  allow.Person `json:"person"`
	Checked time.Time    `json:"checked"`
	Token   []byte       `json:"token,omitempty"` // encrypted
}

// Check checks the fields, and sets defaults.
func (k *Keeper) Check() error {
	for _, key := range append([][]byte{k.Key}, k.OldKeys...) {
		if key != nil && len(key) < minKey {
			return fmt.Errorf("the key for tokens has %d bytes; %d random ones are needed", len(key), minKey)
		}
	}
	if k.MaxAge <= 0 {
		k.MaxAge = DefaultMaxAge
	}
	if k.CheckEvery == 0 {
		k.CheckEvery = DefaultCheckEvery
	}
	return k.Allow.Check()
}

// Account returns what authserver.User.Account is to be.
func (k *Keeper) Account(a Answer) (string, error) {
	record := kept{Person: k.Allow.Trim(a.Person, maxUnnamed), Checked: time.Now()}
	if a.Token != "" && k.Key != nil && !k.lasts(a.Person) {
		aead, err := tokenCipher(k.Key)
		if err != nil {
			return "", err
		}
		record.Token = aead.Seal(nil, nil, []byte(a.Token), []byte(k.Prefix+a.Person.ID))
	}
	data, err := json.Marshal(record)
	return string(data), err
}

// Known returns what authserver.User.Account is to be of a person that the
// provider vouched for at a time, elsewhere.
func Known(p allow.Person, checked time.Time) (string, error) {
	data, err := json.Marshal(kept{Person: p, Checked: checked})
	return string(data), err
}

func (k *Keeper) lasts(p allow.Person) bool { return k.Lasting != nil && k.Lasting(p) }

// Recheck implements authserver.Rechecker.
func (k *Keeper) Recheck(ctx context.Context, u authserver.User) (string, error) {
	var record kept
	if json.Unmarshal([]byte(u.Account), &record) != nil || record.Person.ID == "" || k.Prefix+record.Person.ID != u.Subject {
		return "", authserver.ErrNotAllowed
	}
	if !k.Allow.Allows(record.Person) {
		return "", fmt.Errorf("%w: the allow-list does not name them", authserver.ErrNotAllowed)
	}
	age := time.Since(record.Checked)
	if age < k.CheckEvery || k.lasts(record.Person) {
		return u.Account, nil
	}
	if token := k.token(record); token != "" {
		return k.ask(ctx, u, token, age)
	}
	if age >= k.MaxAge {
		return "", fmt.Errorf("%w: the last sign-in is too old", authserver.ErrNotAllowed)
	}
	return u.Account, nil
}

// ask asks the provider. Its silence is overlooked as long as its last word
// counts.
func (k *Keeper) ask(ctx context.Context, u authserver.User, token string, age time.Duration) (string, error) {
	answer, err := k.askProvider(ctx, token)
	switch {
	case errors.Is(err, ErrRevoked):
		return "", fmt.Errorf("%w: %w", authserver.ErrNotAllowed, err)
	case err != nil && age < k.MaxAge:
		return u.Account, nil
	case err != nil:
		return "", err
	case k.Prefix+answer.Person.ID != u.Subject || !k.Allow.Allows(answer.Person):
		return "", fmt.Errorf("%w: the allow-list does not name them", authserver.ErrNotAllowed)
	}
	return k.Account(answer)
}

func (k *Keeper) askProvider(ctx context.Context, token string) (Answer, error) {
	if down := k.down.Load(); down != nil && time.Since(down.since) < holdOff {
		return Answer{}, down.err
	}
	answer, err := k.Ask(ctx, token)
	if err != nil && !errors.Is(err, ErrRevoked) && ctx.Err() == nil {
		k.down.Store(&outage{time.Now(), err})
	}
	return answer, err
}

// token returns the token of a record; none if it cannot be decrypted, because
// the key was changed and the old one is not there.
func (k *Keeper) token(record kept) string {
	if record.Token == nil || k.Key == nil {
		return ""
	}
	for _, key := range append([][]byte{k.Key}, k.OldKeys...) {
		aead, err := tokenCipher(key)
		if err != nil {
			return ""
		}
		if token, err := aead.Open(nil, nil, record.Token, []byte(k.Prefix+record.Person.ID)); err == nil {
			return string(token)
		}
	}
	return ""
}

func tokenCipher(key []byte) (cipher.AEAD, error) {
	return sealing.Cipher(key, "oauthdyn token of an identity provider")
}
