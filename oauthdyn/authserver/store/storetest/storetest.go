// SPDX-License-Identifier: Apache-2.0

// Package storetest is the contract of package store as tests. Each Store runs
// it:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, o storetest.Options) store.Store { … })
//	}
package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// Options are what a Store under test must be opened with.
type Options struct {
	Limits store.Limits
	Now    func() time.Time
}

// Open opens an empty store. It is closed by a cleanup of the test.
type Open func(t *testing.T, o Options) store.Store

// racers is how many goroutines compete for what one may get.
const racers = 64

// Run runs all tests of the contract.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"clients", testClients},
		{"client update", testClientUpdate},
		{"client update race", testClientUpdateRace},
		{"client cap", testClientCap},
		{"client pages", testClientPages},
		{"transactions", testTransactions},
		{"transaction race", testTransactionRace},
		{"single use", testAddTransaction},
		{"single use race", testAddTransactionRace},
		{"counts", testCounts},
		{"count race", testCountRace},
		{"codes", testCodes},
		{"code failures", testCodeFailures},
		{"code expiry", testCodeExpiry},
		{"code race", testCodeRace},
		{"grants without a code", testCreateGrant},
		{"refresh", testRefresh},
		{"refresh grace", testRefreshGrace},
		{"refresh expiry", testRefreshExpiry},
		{"refresh race", testRefreshRace},
		{"owners", testOwners},
		{"grant pages", testGrantPages},
		{"revocations", testRevocations},
		{"revoked tokens", testRevokedTokens},
		{"revocation race", testRevocationRace},
		{"approvals", testApprovals},
		{"keys", testKeys},
		{"keys race", testKeysRace},
		{"limits race", testLimitsRace},
		{"collect", testCollect},
		{"collect race", testCollectRace},
		{"transfer", testTransfer},
		{"transfer of what has ended", testTransferEnded},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{t: t, clock: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
			f.open = func() store.Store {
				return open(t, Options{Now: f.now, Limits: store.Limits{Clients: 3, Transactions: 3, RevokedTokens: 3}})
			}
			f.Store = f.open()
			test.run(t, f)
		})
	}
}

// A fixture is a store with a clock that the test moves.
type fixture struct {
	store.Store
	t    *testing.T
	open func() store.Store // another one, which is empty

	mu sync.Mutex
	// mu guards clock.
	clock time.Time
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// check fails the test unless err is want; a nil want means success.
func (f *fixture) check(what string, err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// must stops the test on an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// race runs fn in many goroutines at once and returns how often each error
// came; nil counts as "won".
func race(fn func() error) map[error]int {
	var (
		mu      sync.Mutex
		results = map[error]int{}
		ready   = make(chan struct{})
		all     sync.WaitGroup
	)
	for range racers {
		all.Go(func() {
			<-ready
			err := fn()
			for _, known := range []error{store.ErrNotFound, store.ErrReplayed, store.ErrConflict, store.ErrFull} {
				if errors.Is(err, known) {
					err = known
				}
			}
			mu.Lock()
			defer mu.Unlock()
			results[err]++
		})
	}
	close(ready)
	all.Wait()
	return results
}
