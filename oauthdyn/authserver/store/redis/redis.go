// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

const (
	defaultPrefix  = "oauthdyn"
	defaultTimeout = 5 * time.Second

	// format is the layout of the keys.
	format   = "1"
	formatID = "format" // where it is in the meta table
)

// Options configure a Store.
type Options struct {
	Limits store.Limits     // zero fields: the defaults
	Now    func() time.Time // nil: time.Now; the replicas' clocks should agree to the second

	// Prefix is the hash tag of all keys, without braces; default oauthdyn.
	// Stores with different prefixes can share a database.
	Prefix string

	// Password is used in place of the one in the URL.
	Password string

	// Timeout bounds each step of a method, and connecting; default 5 seconds.
	Timeout time.Duration

	// Logger is told of what an operator should change; nil: nobody is.
	Logger *slog.Logger
}

// A Store keeps everything in a Redis or Valkey server or cluster. It is safe for
// concurrent use, by several processes too.
type Store struct {
	tables
	client  goredis.UniversalClient
	limits  store.Limits
	now     func() time.Time
	timeout time.Duration
	log     *slog.Logger

	collecting sync.Mutex
	// collecting guards collected: where Collect goes on with the clients.
	collected string
}

var _ store.Store = (*Store)(nil)

// Open connects to a server that a URL names:
//
//	redis://[[user]:password@]host[:port][/db]
//	rediss://…                     the same with TLS
//	unix:///path[?db=N]            a socket
//	redis://host?cluster=true      a cluster; addr=host:port names further nodes
//	redis://host?master_name=NAME  the master that a sentinel knows; addr= names further ones
//
// It refuses a server that would evict records, or keep them in a format that
// this package does not know, and warns of one that does not keep them on disk.
// Errors never hold the password. Nil options are valid.
func Open(ctx context.Context, url string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	client, err := Connect(url, o.Password, cmp.Or(o.Timeout, defaultTimeout))
	if err != nil {
		return nil, err
	}
	s, err := New(ctx, client, o)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return s, nil
}

// New is Open for a client that the caller has made; Options.Password is not
// used. The client must not repeat commands (MaxRetries: -1), nor read from
// replicas. Close closes it.
func New(ctx context.Context, client goredis.UniversalClient, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	prefix := cmp.Or(o.Prefix, defaultPrefix)
	if strings.ContainsAny(prefix, "{}") {
		return nil, fmt.Errorf("redis: prefix %q holds a brace", prefix)
	}
	s := &Store{
		tables:  newTables(prefix),
		client:  client,
		limits:  o.Limits.WithDefaults(),
		now:     o.Now,
		timeout: cmp.Or(o.Timeout, defaultTimeout),
		log:     o.Logger,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.checkFormat(ctx); err != nil {
		return nil, err
	}
	if err := s.checkServers(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// checkFormat reads the format, or writes it if the store is new.
func (s *Store) checkFormat(ctx context.Context) error {
	err := s.update(ctx, func(t *tx) error {
		switch found, err := t.get(&s.meta, formatID); {
		case errors.Is(err, store.ErrNotFound):
			t.put(&s.meta, formatID, format, time.Time{})
			return nil
		case err != nil:
			return err
		case found != format:
			return fmt.Errorf("redis: the store has format %s; this program knows format %s", found, format)
		}
		return nil
	})
	return err
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }
