// SPDX-License-Identifier: Apache-2.0

package redis_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/redistest"
)

const password = "correct horse & battery"

// TestOpenRefuses what cannot work, in one line that says what to do and does
// not hold the password.
func TestOpenRefuses(t *testing.T) {
	program := redistest.Redis(t)
	locked := redistest.StartTCP(t, program, "--requirepass", password).Addr
	free := redistest.StartTCP(t, program).Addr
	node := redistest.StartTCP(t, program, "--cluster-enabled", "yes").Addr
	replica := redistest.StartTCP(t, program, "--replicaof", "127.0.0.1 1").Addr // whose master is not there
	for _, test := range []struct{ name, url, password, want string }{
		{"no password", "redis://" + locked, "", "the server wants a password"},
		{"wrong password", "redis://" + locked, password + "!", "the user or the password is wrong"},
		{"unknown user", "redis://ana:" + "correct%20horse@" + locked, "", "the user or the password is wrong"},
		{"nobody there", "redis://127.0.0.1:1", password, "cannot be reached; does it run"},
		{"no socket", "unix:///nowhere/socket", "", "cannot be reached; does it run"},
		{"no such database", "redis://" + free + "/99", "", "does not have that database"},
		{"replica", "redis://" + replica, "", "this is a replica; name the master"},
		{"node of a cluster", "redis://" + node, "", "cluster"},
		{"no cluster", "redis://" + free + "?cluster=true", "", "cluster"},
		{"not a URL", "redis://:correct horse#@" + free, "", "the URL cannot be read; want redis://"},
		{"no slashes", "redis:" + free, "", "the URL cannot be read; want redis://"},
		{"file", "oauthdyn.db", "", "the URL cannot be read; want redis://"},
		{"web", "https://" + free, "", "there are no https: URLs; want redis, rediss or unix"},
		{"socket without path", "unix://", "", "names no socket"},
		{"database by name", "redis://" + free + "/main", "", `database "main" is not a number`},
		{"parameter", "redis://" + free + "?pool_size=3", "", `no parameter "pool_size"; there are addr, cluster, db, master_name`},
		{"two addresses", "redis://" + free + "?addr=127.0.0.1:1", "", "several addresses need cluster=true or master_name="},
		{"address without port", "redis://" + free + "?cluster=true&addr=other", "", "addr=other is not host:port"},
		{"cluster perhaps", "redis://" + free + "?cluster=perhaps", "", "cluster=perhaps is neither true nor false"},
		{"database of a cluster", "redis://" + free + "/1?cluster=true", "", "a cluster has database 0 only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := redis.Open(t.Context(), test.url, &redis.Options{Password: test.password, Timeout: patience})
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if text := err.Error(); !strings.Contains(text, test.want) || !strings.HasPrefix(text, "redis: ") || strings.Contains(text, "\n") {
				t.Errorf("error %q, want one line with %q", text, test.want)
			}
			if strings.Contains(err.Error(), "horse") {
				t.Errorf("error %q holds the password", err)
			}
		})
	}
	if _, err := redis.Open(t.Context(), "redis://"+free, &redis.Options{Prefix: "a}b"}); err == nil || !strings.Contains(err.Error(), "brace") {
		t.Errorf("prefix with a brace: %v", err)
	}
}

func TestPasswords(t *testing.T) {
	addr := redistest.StartTCP(t, redistest.Redis(t), "--requirepass", password).Addr
	open(t, "redis://:correct%20horse%20%26%20battery@"+addr, nil)
	open(t, "redis://default:correct%20horse%20%26%20battery@"+addr+"/3", nil)
	open(t, "redis://:wrong@"+addr+"/?db=3", &redis.Options{Password: password})
}

// TestEviction: a server that makes room by force loses sign-ins.
func TestEviction(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t), "--appendonly", "yes")
	admin := server.Client()
	const (
		refused = "maxmemory-policy is allkeys-lru; run: CONFIG SET maxmemory-policy noeviction"
		unknown = "Redis does not tell its maxmemory-policy"
	)
	for _, test := range []struct {
		name, memory, policy, acl, err, warning string
	}{
		{"no limit", "0", "noeviction", "", "", ""},
		{"no eviction", "100mb", "noeviction", "", "", ""},
		{"no limit yet", "0", "allkeys-lru", "", "", "maxmemory-policy is allkeys-lru, which would evict"},
		{"evicts all", "100mb", "allkeys-lru", "", refused, ""},
		{"evicts others", "100mb", "volatile-lru", "", "", ""},
		{"evicts all, CONFIG is forbidden", "100mb", "allkeys-lru", "-config", refused, ""},
		{"no eviction, CONFIG is forbidden", "100mb", "noeviction", "-config", "", ""},
		{"CONFIG and INFO are forbidden", "100mb", "allkeys-lru", "-config -info", "", unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules := []any{"ACL", "SETUSER", "default", "+@all"}
			for rule := range strings.FieldsSeq(test.acl) {
				rules = append(rules, rule)
			}
			for _, command := range [][]any{
				{"CONFIG", "SET", "maxmemory", test.memory}, {"CONFIG", "SET", "maxmemory-policy", test.policy}, rules,
			} {
				if err := admin.Do(t.Context(), command...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			defer admin.Do(t.Context(), "ACL", "SETUSER", "default", "+@all")
			var log bytes.Buffer
			s, err := redis.Open(t.Context(), server.URL(), &redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Timeout: patience})
			if err == nil {
				s.Close()
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if !strings.Contains(log.String(), test.warning) || test.warning == "" && log.Len() > 0 {
				t.Errorf("warnings %q, want %q", log.String(), test.warning)
			}
		})
	}
}

// TestVolatileKeepsRecords: policies that evict keys with an expiry find none of
// ours, even when the memory is full.
func TestVolatileKeepsRecords(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t), "--maxmemory", "8mb", "--maxmemory-policy", "volatile-lru")
	s := open(t, server.URL(), nil)
	now := time.Now()
	if err := s.PutTransaction(t.Context(), "kind", store.HashOf("a"), []byte("value"), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	startGrant(t, s, "g", "client", now)
	other := server.Client()
	for i := range 300 { // of 100 kB each
		if err := other.Set(t.Context(), strings.Repeat("x", i+1), strings.Repeat("v", 100_000), time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n := other.DBSize(t.Context()).Val(); n > 200 {
		t.Fatalf("%d keys: nothing was evicted", n)
	}
	if _, err := s.Transaction(t.Context(), "kind", store.HashOf("a")); err != nil {
		t.Error("transaction:", err)
	}
	if _, err := s.Grant(t.Context(), store.HashOf("g")); err != nil {
		t.Error("grant:", err)
	}
}

func TestMemoryIsFull(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t), "--maxmemory", "1")
	_, err := redis.Open(t.Context(), server.URL(), &redis.Options{Timeout: patience})
	if err == nil || !strings.Contains(err.Error(), "raise maxmemory") {
		t.Errorf("error %v", err)
	}
}

func TestOtherFormat(t *testing.T) {
	server := redistest.Start(t, redistest.Redis(t))
	open(t, server.URL(), nil)
	if err := server.Client().HSet(t.Context(), "{oauthdyn}:meta", "format", "9").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := redis.Open(t.Context(), server.URL(), nil)
	if err == nil || !strings.Contains(err.Error(), "has format 9; this program knows format 1") {
		t.Errorf("error %v", err)
	}
}
