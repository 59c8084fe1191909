// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// feedInterval is how often revocations are looked for that came to the store
// through another process.
const feedInterval = 500 * time.Millisecond

// A feed passes revocations on from the store to the resources.
type feed struct {
	issuer string
	from   store.Revocations
	to     *resource.Revocations // nil: to nobody
	log    *slog.Logger

	mu sync.Mutex
	// mu guards position, and is held while reading on: whoever comes later
	// must see what the other one reads.
	position store.Position

	read atomic.Int64 // when all was read last, in Unix nanoseconds
}

func newFeed(o *Options) *feed {
	return &feed{issuer: o.Issuer, from: o.Store, to: o.Revocations, log: o.Logger}
}

// readOn passes on what is new.
func (f *feed) readOn(ctx context.Context) error {
	if f.to == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		list, last, err := f.from.ListRevocations(ctx, f.position)
		if err != nil {
			return err
		}
		for _, r := range list {
			if err := f.to.Add(f.revocation(r)); err != nil {
				return err
			}
		}
		if f.position = last; len(list) == 0 {
			f.read.Store(time.Now().UnixNano())
			return nil
		}
	}
}

// revocation is what resources know a revocation as. A grant that has ended gets
// no new tokens, so that none is spared for being issued later: it was signed
// while the grant ended.
func (f *feed) revocation(r store.Revocation) resource.Revocation {
	v := resource.Revocation{Issuer: f.issuer, TokenID: r.TokenID, IssuedUntil: r.Expires, Expires: r.Expires}
	if v.TokenID == "" {
		v.Session = sessionOf(r.Grant)
	}
	return v
}

// run looks for what is new until ctx ends.
func (f *feed) run(ctx context.Context) {
	if f.to == nil {
		return
	}
	ticker := time.NewTicker(feedInterval)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := f.readOn(ctx)
		if err != nil && !failing && ctx.Err() == nil { // one line, not two each second
			f.log.LogAttrs(ctx, slog.LevelError, "revocations cannot be read; resources here do not hear of new ones", slog.String("error", err.Error()))
		}
		if err == nil && failing {
			f.log.LogAttrs(ctx, slog.LevelInfo, "revocations can be read again")
		}
		failing = err != nil
	}
}

// revoked makes a revocation that has just gone to the store known in this
// process. Even if the caller has gone, or this fails: it is in the store, and
// is read again soon.
func (s *Server) revoked(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if err := s.feed.readOn(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "revocations cannot be read", slog.String("error", err.Error()))
	}
}
