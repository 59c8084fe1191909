// SPDX-License-Identifier: Apache-2.0

// Package redis is a directory of replicas in Redis or Valkey. What it holds is
// a kilobyte or two, which the replicas write again when it is lost, so that the
// server needs neither persistence nor a backup.
//
// All keys of a directory have one hash tag, so that they are on one node of a
// cluster and a script can read several of them. Leases are measured by the
// server's clock.
package redis

import (
	"cmp"
	"context"
	_ "embed" // the scripts
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
)

// DefaultPrefix is the hash tag of the keys of a Directory.
const DefaultPrefix = "shproxy"

// forget is when Redis may forget what nobody has written again. It is much
// longer than a lease, and than sessions stay as many as they are.
const forget = 7 * 24 * time.Hour

// remember is how long after the end of its lease the counts of a replica are
// kept: it may put its record again without having noticed that it was gone.
const remember = time.Hour

var (
	//go:embed list.lua
	listLua string
	//go:embed put.lua
	putLua string
	//go:embed share.lua
	shareLua string
	//go:embed take.lua
	takeLua string

	listScript  = goredis.NewScript(listLua)
	putScript   = goredis.NewScript(putLua)
	shareScript = goredis.NewScript(shareLua)
	takeScript  = goredis.NewScript(takeLua)
)

// Options of a [Directory].
type Options struct {
	// Prefix is the hash tag of all keys, without braces. Directories with
	// different prefixes can share a database. Default [DefaultPrefix].
	Prefix string
}

// Directory keeps the records of replicas in a Redis or Valkey server or
// cluster. It is safe for concurrent use, by several processes too.
type Directory struct {
	client                       goredis.UniversalClient
	records, leases, count, rate string // keys; the last two are the beginnings of some
}

var _ replica.Directory = (*Directory)(nil)

// New returns a directory that uses the client, which must not read from
// replicas of Redis. Contexts bound each step, if the client lets them
// (ContextTimeoutEnabled). Nothing is written yet. Nil options are valid.
// The error is about a prefix with a brace in it.
func New(client goredis.UniversalClient, o *Options) (*Directory, error) {
	if o == nil {
		o = &Options{}
	}
	prefix := cmp.Or(o.Prefix, DefaultPrefix)
	if strings.ContainsAny(prefix, "{}") {
		return nil, fmt.Errorf("redis: prefix %q holds a brace", prefix)
	}
	tag := "{" + prefix + "}:replicas"
	return &Directory{client: client, records: tag, leases: tag + ":leases", count: tag + ":count:", rate: tag + ":rate:"}, nil
}

// Put implements [replica.Directory].
func (d *Directory) Put(ctx context.Context, name string, record []byte, lease time.Duration) error {
	return putScript.Run(ctx, d.client, []string{d.records, d.leases}, name, record, lease.Milliseconds(), forget.Milliseconds()).Err()
}

// List implements [replica.Directory].
func (d *Directory) List(ctx context.Context) (map[string][]byte, error) {
	flat, err := listScript.Run(ctx, d.client, []string{d.records, d.leases}, remember.Milliseconds()).StringSlice()
	if err != nil {
		return nil, err
	}
	all := make(map[string][]byte, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		all[flat[i]] = []byte(flat[i+1])
	}
	return all, nil
}

// Share implements [replica.Directory].
func (d *Directory) Share(ctx context.Context, name, key string, n, limit int) (bool, error) {
	ok, err := shareScript.Run(ctx, d.client, []string{d.leases, d.count + key}, name, n, max(limit, -1), forget.Milliseconds()).Int()
	return ok == 1, err
}

// Take implements [replica.Directory].
func (d *Directory) Take(ctx context.Context, key string, n int, every time.Duration, burst int) (time.Duration, error) {
	micros := func(n int) int64 { return (time.Duration(n) * every).Microseconds() }
	wait, err := takeScript.Run(ctx, d.client, []string{d.rate + key}, micros(min(n, burst)), micros(burst), micros(n)).Int64()
	return time.Duration(wait) * time.Microsecond, err
}
