// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Transfers move all that a store keeps, to a backup or to another store.
type Transfers interface {
	// Export calls fn with each record that has not expired, in no order, until
	// fn fails; that error is returned. All are of one moment if the store can
	// do that. Counters are not exported.
	Export(ctx context.Context, fn func(Record) error) error

	// Import stores records as they are, in place of those with the same name,
	// whatever Limits says, and leaves out what has expired. If it fails, some
	// may be stored.
	Import(ctx context.Context, records []Record) error
}

// A Record is one thing that a store keeps. One of its fields is set.
type Record struct {
	Keys        []byte       `json:"keys,omitempty"` // the document of Keys
	Client      *Client      `json:"client,omitempty"`
	Transaction *Transaction `json:"transaction,omitempty"`
	Code        *Code        `json:"code,omitempty"`
	Grant       *Grant       `json:"grant,omitempty"`
	Approval    *Approval    `json:"approval,omitempty"`
	Revocation  *Revocation  `json:"revocation,omitempty"`
}

// A Transaction is a record of Transactions.
type Transaction struct {
	Kind    Kind      `json:"kind"`
	ID      Hash      `json:"id"`
	Value   []byte    `json:"value,omitempty"`
	Expires time.Time `json:"expires"`
}

// An Approval is a consent that is remembered.
type Approval struct {
	Subject     Hash      `json:"sub"` // of the person's subject
	Fingerprint Hash      `json:"fingerprint"`
	Expires     time.Time `json:"expires"`
}
