// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// A table is a hash of records by their ids, and what is kept beside it.
type table struct {
	name    string // without the prefix
	records string // hash
	ends    string // sorted set of ids by when the records end; empty if they do not
	ids     string // sorted set of ids with equal scores, thus in their order; empty if nobody lists them

	// end tells from a record when it ends; nil if it does not.
	end func(record string) (time.Time, error)
}

// tables are all keys of a store, but for those of kinds.
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
	kinds     string // sorted set: names of the tables of kinds, with equal scores
	bySubject string // sorted sets: the hash of the owner's name and the id of a grant, with equal scores
	byClient  string
}

// Names of the tables of kinds begin with these.
const (
	transactions = "transactions:"
	counts       = "counts:"
)

func newTables(prefix string) tables {
	t := tables{prefix: "{" + prefix + "}:"}
	t.meta = t.table("meta", nil)
	t.clients = t.table("clients", nil)
	t.codes = t.table("codes", func(record string) (time.Time, error) {
		c, err := decode[store.Code](record)
		return c.Expires, err
	})
	t.grants = t.table("grants", func(record string) (time.Time, error) {
		g, err := decode[store.Grant](record)
		return g.End(), err
	})
	t.revocations = t.table("revocations", func(record string) (time.Time, error) {
		r, err := decode[store.Revocation](record)
		return r.Expires, err
	})
	t.approvals = t.table("approvals", beginning)
	t.revoked = t.table("revoked", beginning)
	for _, listed := range []*table{&t.clients, &t.grants, &t.revocations} {
		listed.ids = listed.records + ":ids"
	}
	t.position = t.revocations.records + ":last"
	t.unused = t.clients.records + ":unused"
	t.kinds = t.prefix + "kinds"
	t.bySubject = t.grants.records + ":subjects"
	t.byClient = t.grants.records + ":clients"
	return t
}

func (t *tables) table(name string, end func(string) (time.Time, error)) table {
	found := table{name: name, records: t.prefix + name, end: end}
	if end != nil {
		found.ends = found.records + ":ends"
	}
	return found
}

// transactions is the table of a kind.
func (t *tables) transactions(kind store.Kind) *table {
	found := t.table(transactions+string(kind), beginning)
	return &found
}

// counts is the table of a kind.
func (t *tables) counts(kind store.Kind) *table {
	found := t.table(counts+string(kind), func(record string) (time.Time, error) {
		var n, micro int64
		_, err := fmt.Sscanf(record, "%d %d", &n, &micro)
		return time.UnixMicro(micro), err
	})
	return &found
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

// beginning is the end of a record that begins with it.
func beginning(record string) (time.Time, error) {
	ends, _ := cutEnd(record)
	return ends, nil
}
