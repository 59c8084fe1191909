// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// A table is a hash of records by their ids, and what is kept beside it.
type table struct {
	records string // hash
	ends    string // sorted set of ids by when the records end; empty if they do not
	ids     string // sorted set of ids with equal scores, thus in their order; empty if nobody lists them
}

// tables are all keys of a store, but for those of transactions.
type tables struct {
	prefix string

	meta        table // the format, and the document with the signing keys
	clients     table
	codes       table
	grants      table
	approvals   table
	revocations table // by position
	revoked     table // access tokens that were revoked one by one, by jti

	position  string // of the last revocation
	unused    string // sorted set: clients that were never used, by creation
	kinds     string // sorted set: of transactions, with equal scores
	bySubject string // sorted sets: the hash of the owner's name and the id of a grant, with equal scores
	byClient  string
}

func newTables(prefix string) tables {
	prefix = "{" + prefix + "}:"
	ending := func(name string) table {
		return table{records: prefix + name, ends: prefix + name + ":ends"}
	}
	t := tables{
		prefix:      prefix,
		meta:        table{records: prefix + "meta"},
		clients:     table{records: prefix + "clients", ids: prefix + "clients:ids"},
		codes:       ending("codes"),
		grants:      ending("grants"),
		approvals:   ending("approvals"),
		revocations: ending("revocations"),
		revoked:     ending("revoked"),
		position:    prefix + "revocations:last",
		unused:      prefix + "clients:unused",
		kinds:       prefix + "kinds",
		bySubject:   prefix + "grants:subjects",
		byClient:    prefix + "grants:clients",
	}
	t.grants.ids = prefix + "grants:ids"
	t.revocations.ids = prefix + "revocations:ids"
	return t
}

// transactions is the table of a kind.
func (t *tables) transactions(kind store.Kind) *table {
	name := t.prefix + "transactions:" + string(kind)
	return &table{records: name, ends: name + ":ends"}
}

// Scores are in microseconds: those of nanoseconds would not be exact.

// endScore rounds up: what is collected has ended.
func endScore(t time.Time) string {
	return strconv.FormatInt(t.Add(time.Microsecond-1).UnixMicro(), 10)
}

func nowScore(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// withEnd puts the end of a record before its value.
func withEnd(ends time.Time, value []byte) string {
	return string(append(binary.BigEndian.AppendUint64(nil, uint64(ends.UnixNano())), value...))
}

// cutEnd takes apart what withEnd has put together.
func cutEnd(record string) (ends time.Time, value string) {
	if len(record) < 8 {
		return time.Time{}, ""
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64([]byte(record[:8])))), record[8:]
}
