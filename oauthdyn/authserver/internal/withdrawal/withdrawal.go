// SPDX-License-Identifier: Apache-2.0

// Package withdrawal remembers that consent was taken back: approvals from
// before do not count any more, so that the person is asked again.
package withdrawal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const kind store.Kind = "withdrawn"

// Record remembers it until the last approval from before has expired. What is
// meant is all that a person approved, all that was approved for a client, or
// both together.
func Record(ctx context.Context, t store.Transactions, o store.Owner, expires time.Time) error {
	return t.PutTransaction(ctx, kind, key(o), []byte(rand.Text()), expires)
}

// Last returns a text that differs after each Record that concerns a person and
// a client; empty if there was none.
func Last(ctx context.Context, t store.Transactions, subject, clientID string) (string, error) {
	var all []byte
	for _, o := range []store.Owner{{Subject: subject}, {ClientID: clientID}, {Subject: subject, ClientID: clientID}} {
		value, err := t.Transaction(ctx, kind, key(o))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		all = append(all, value...)
	}
	return string(all), nil
}

func key(o store.Owner) store.Hash {
	text, _ := json.Marshal(o) // strings: cannot fail
	return store.HashOf(string(text))
}
