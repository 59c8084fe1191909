// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/internal/keyring"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/jose"
)

// Operations on keys: see Keys.AddTo.
const (
	OpListKeys   = "keys/list"   // takes {}, returns a KeyList
	OpRotateKeys = "keys/rotate" // takes a KeyRotation, returns a KeyList
	OpImportKey  = "keys/import" // takes a KeyImport, returns a KeyList
)

// A KeyState is what a key is for.
type KeyState string

// The states of a key, in the order in which it has them.
const (
	KeyNext    KeyState = "next"    // published, does not sign yet
	KeyActive  KeyState = "active"  // signs
	KeyRetired KeyState = "retired" // verifies what it has signed, and has no private half any more
)

// A SigningKey is what can be told of a key.
type SigningKey struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	State     KeyState  `json:"state"`
	Imported  bool      `json:"imported,omitempty"` // made elsewhere
	Sealed    bool      `json:"sealed"`             // the private half is encrypted in the store
	Created   time.Time `json:"created"`
	Signs     time.Time `json:"signs,omitzero"`   // from then on; zero: it only verifies
	Retires   time.Time `json:"retires,omitzero"` // signs until then; zero: no successor is known
	Until     time.Time `json:"until,omitzero"`   // is published until then; zero: no end is known
}

// A KeyList has the keys that are published: the active one, the next one,
// retired ones, the latest first.
type KeyList struct {
	// Changed is the id of the key that an operation has added, or has found to
	// be there already.
	Changed string `json:"changed,omitempty"`

	Keys []SigningKey `json:"keys"`
}

// KeyRotation says how keys are rotated.
type KeyRotation struct {
	// Now is for keys that somebody else may have: all that could sign are
	// removed at once, and a fresh one signs. Tokens that they signed are refused
	// wherever the key set is read again; package resource does so when it sees
	// a token of the fresh key, and every ten minutes. Verifiers that do not read
	// it when they see an unknown key refuse fresh tokens until they do. Keys
	// that were imported to verify only stay.
	Now bool `json:"now,omitempty"`

	// LostKey, with Now, does not need to open the old keys: the key that sealed
	// them is lost.
	LostKey bool `json:"lost_key,omitempty"`
}

// KeyImport is a key that was made elsewhere.
type KeyImport struct {
	// PKCS8 is the private key: RSA of at least 2048 bits, ECDSA on P-256, or
	// Ed25519.
	PKCS8 []byte `json:"pkcs8"`

	// ID is the kid, 128 bytes at most. Empty: the JWK thumbprint (RFC 7638).
	ID string `json:"kid,omitempty"`

	// Sign makes it the next key: it signs in an hour, or at once if there is
	// none yet. Else it only verifies, and its private half is not kept.
	Sign bool `json:"sign,omitempty"`

	// Keep is how long a key that only verifies is published; at most 366 days.
	// Default 25 hours, an hour more than tokens of this server can live.
	Keep time.Duration `json:"keep,omitempty"`
}

// String does not show the key.
func (i KeyImport) String() string { return "key " + i.ID }

// Format prints String for every verb.
func (i KeyImport) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

const maxKeyID = 128

// NewKeyImport prepares the import of a private key.
func NewKeyImport(private crypto.Signer, id string) (KeyImport, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return KeyImport{}, errors.New("authserver: a key of this type cannot be imported")
	}
	return KeyImport{PKCS8: pkcs8, ID: id}, nil
}

// List returns the keys. It does not need the key that sealed them.
func (k *Keys) List(ctx context.Context) (KeyList, error) {
	stored, _, err := k.o.Store.LoadKeys(ctx)
	if err != nil || stored == nil {
		return KeyList{Keys: []SigningKey{}}, err
	}
	ring, err := keyring.Parse(stored)
	if err != nil {
		return KeyList{}, err
	}
	return list(ring, time.Now()), nil
}

func list(ring *keyring.Ring, now time.Time) KeyList {
	l := KeyList{Keys: []SigningKey{}}
	for _, key := range ring.Published(now) {
		k := SigningKey{
			ID: key.Public.ID(), Algorithm: key.Public.Algorithm(), State: KeyState(ring.State(key, now)),
			Imported: key.Imported, Sealed: key.Sealed(),
			Created: key.Created, Signs: key.Signs, Until: key.Until,
		}
		if !k.Signs.IsZero() {
			k.Retires = key.Retires
		}
		l.Keys = append(l.Keys, k)
	}
	return l
}

// Rotate makes a fresh key. It is published for an hour before it signs, unless
// KeyRotation.Now is set. If there is a next key already, there is nothing to do.
func (k *Keys) Rotate(ctx context.Context, o KeyRotation) (KeyList, error) {
	var changed string
	if o.LostKey && !o.Now {
		return KeyList{}, &admin.Error{Code: admin.CodeInvalid, Text: "keys that cannot be opened can be replaced at once only"}
	}
	reason := "rotated"
	if o.Now {
		reason = "replaced at once"
	}
	return k.operate(ctx, reason, &changed, func(r *keyring.Ring, now time.Time) (bool, error) {
		if !o.LostKey {
			if err := k.open(r); err != nil {
				return false, err
			}
		}
		if next := r.Next(now); !o.Now && next != nil {
			changed = next.Public.ID()
			return false, nil
		}
		fresh, err := k.fresh(r, now)
		if err != nil {
			return false, err
		}
		if changed = fresh.Public().ID(); o.Now {
			return true, r.Replace(fresh, now)
		}
		return true, r.Introduce(fresh, false, now)
	})
}

// Import adds a key. Of one that only verifies and is there already the time is
// extended. What cannot be added, such as another key of the same id, is an
// *admin.Error with CodeInvalid.
func (k *Keys) Import(ctx context.Context, i KeyImport) (KeyList, error) {
	private, err := jose.ParseSigningKey(i.PKCS8, i.ID)
	if err != nil {
		return KeyList{}, &admin.Error{Code: admin.CodeInvalid, Text: err.Error()}
	}
	switch {
	case len(i.ID) > maxKeyID:
		return KeyList{}, &admin.Error{Code: admin.CodeInvalid, Text: fmt.Sprintf("the id of a key must not be longer than %d bytes", maxKeyID)}
	case i.Keep < 0 || i.Keep > maxKeep:
		return KeyList{}, &admin.Error{Code: admin.CodeInvalid, Text: fmt.Sprintf("a key can be kept for %d days at most", maxKeep/(24*time.Hour))}
	case i.Keep == 0:
		i.Keep = keyring.Retain
	}
	id := private.Public().ID()
	return k.operate(ctx, "imported "+id, &id, func(r *keyring.Ring, now time.Time) (bool, error) {
		if err := k.open(r); err != nil {
			return false, err
		}
		if i.Sign {
			return true, r.Introduce(private, true, now)
		}
		return true, r.AddVerifying(private.Public(), now, now.Add(i.Keep))
	})
}

// operate is update for an administrator. changed is set by then.
func (k *Keys) operate(ctx context.Context, reason string, changed *string, change func(*keyring.Ring, time.Time) (bool, error)) (l KeyList, err error) {
	err = k.update(ctx, func(r *keyring.Ring, now time.Time) (bool, error) {
		r.Clean(now)
		return change(r, now)
	})
	k.audit(ctx, audit.Event{Kind: audit.Keys, Reason: reason}, err)
	if refused, ok := errors.AsType[*keyring.Refusal](err); ok {
		return l, &admin.Error{Code: admin.CodeInvalid, Text: refused.Error()}
	}
	if err != nil {
		return l, err
	}
	l, err = k.List(ctx)
	l.Changed = *changed
	return l, err
}

// AddTo adds the operations to a service.
func (k *Keys) AddTo(s *admin.Service) {
	admin.Handle(s, OpListKeys, func(ctx context.Context, _ struct{}) (KeyList, error) { return k.List(ctx) })
	admin.Handle(s, OpRotateKeys, k.Rotate)
	admin.Handle(s, OpImportKey, k.Import)
}
