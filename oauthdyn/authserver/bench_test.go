// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/login/local"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// BenchmarkRefresh is the token endpoint with a refresh token, at 64 clients at
// a time: one look-up, one durable write, one signature.
func BenchmarkRefresh(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkRefresh(b, memory.New(nil)) })
	b.Run("bolt", func(b *testing.B) {
		db, err := bolt.Open(filepath.Join(b.TempDir(), "db"), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		benchmarkRefresh(b, db)
	})
}

func benchmarkRefresh(b *testing.B, db store.Store) {
	users := local.New()
	if err := users.Set("alice", "correct horse"); err != nil {
		b.Fatal(err)
	}
	srv, err := authserver.New(b.Context(), authserver.Options{
		Issuer: "https://auth.example", Store: db, Login: users,
		Resources: []authserver.Resource{{URI: "https://mcp.example/mcp"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	err = db.CreateClient(b.Context(), store.Client{ID: "c", Metadata: oauthdyn.ClientMetadata{
		TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32) // times GOMAXPROCS
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		// Each goroutine is a client with a grant of its own.
		handle := rand.Text()
		token := handle + ".1"
		code := store.Code{Hash: store.HashOf(handle), ClientID: "c", Expires: time.Now().Add(time.Minute)}
		g := store.Grant{
			ID: store.HashOf(handle), ClientID: "c", Subject: "local:alice", Resources: []string{"https://mcp.example/mcp"}, Expires: time.Now().Add(time.Hour),
			Refresh: store.Refresh{Current: store.HashOf(token), Expires: time.Now().Add(time.Hour)},
		}
		if err := db.PutCode(b.Context(), code); err != nil {
			b.Error(err)
			return
		}
		if err := db.RedeemCode(b.Context(), code.Hash, g); err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			req := httptest.NewRequest("POST", "/token", strings.NewReader(refreshForm("c", token).Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, req)
			var reply tokenReply
			if err := json.Unmarshal(rec.Body.Bytes(), &reply); err != nil || reply.RefreshToken == "" {
				b.Errorf("%d %s", rec.Code, rec.Body)
				return
			}
			token = reply.RefreshToken
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
}
