// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/backup"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/memory"
)

// clients is more than one step of an import.
const clients = 700

func filled(t *testing.T) *memory.Store {
	t.Helper()
	ctx := t.Context()
	s := memory.New(nil)
	end := time.Now().Add(time.Hour)
	code := store.Code{Hash: store.HashOf("c"), ClientID: "client 1", Expires: end}
	err := errors.Join(
		s.SaveKeys(ctx, []byte("keys"), 0),
		s.PutTransaction(ctx, "session", store.HashOf("t"), []byte{0, 255, '\n'}, end),
		s.Approve(ctx, "alice", store.HashOf("x"), end),
		s.PutCode(ctx, code),
		s.RedeemCode(ctx, code.Hash, store.Grant{ID: store.HashOf("g"), ClientID: "client 1", Subject: "alice", Expires: end}),
		s.RevokeToken(ctx, "token", end))
	for i := range clients {
		err = errors.Join(err, s.CreateClient(ctx, store.Client{ID: fmt.Sprint("client ", i), Secret: store.HashOf("secret")}))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := backup.Write(t.Context(), &b, filled(t))
	if err != nil || n != clients+6 {
		t.Fatalf("%d records, %v", n, err)
	}
	return b.Bytes()
}

func openBolt(t *testing.T) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "db"), nil)
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

func TestWriteAndRead(t *testing.T) {
	ctx := t.Context()
	data := write(t)
	for _, test := range []struct {
		name    string
		o       *backup.ReadOptions
		records int
		grants  int
	}{
		{"everything", nil, clients + 6, 1},
		{"without grants", &backup.ReadOptions{WithoutGrants: true}, clients + 2, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openBolt(t)
			n, err := backup.Read(ctx, bytes.NewReader(data), s, test.o)
			if err != nil || n != test.records {
				t.Fatalf("%d records, %v; want %d", n, err, test.records)
			}
			found, err := s.ListClients(ctx, "", 2*clients)
			if len(found) != clients || err != nil || found[0].Secret != store.HashOf("secret") {
				t.Errorf("%d clients, %v", len(found), err)
			}
			if grants, err := s.AllGrants(ctx, store.Hash{}, 10); len(grants) != test.grants || err != nil {
				t.Errorf("grants %v %v", grants, err)
			}
			if ok, err := s.Approved(ctx, "alice", store.HashOf("x")); ok != (test.grants > 0) || err != nil {
				t.Errorf("approved %v %v", ok, err)
			}
			if doc, _, err := s.LoadKeys(ctx); string(doc) != "keys" || err != nil {
				t.Errorf("keys %q %v", doc, err)
			}
			if revoked, err := s.TokenRevoked(ctx, "token"); !revoked || err != nil {
				t.Errorf("revoked %v %v", revoked, err)
			}
			if _, err := backup.Read(ctx, bytes.NewReader(data), s, nil); !errors.Is(err, backup.ErrNotEmpty) {
				t.Errorf("into a store that is not empty: %v", err)
			}
		})
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backup")
	if n, err := backup.WriteFile(t.Context(), path, filled(t)); n != clients+6 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := backup.WriteFile(t.Context(), path, filled(t)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that exists: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.WriteFile(ctx, path+"2", filled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file is left that is not whole")
	}
}

func TestCopy(t *testing.T) {
	ctx := t.Context()
	from, to := filled(t), openBolt(t)
	if n, err := backup.Copy(ctx, from, to, nil); n != clients+6 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	if _, err := to.Grant(ctx, store.HashOf("g")); err != nil {
		t.Errorf("grant: %v", err)
	}
	if _, err := backup.Copy(ctx, from, to, nil); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("into a store that is not empty: %v", err)
	}
}

// Of a backup that is not whole nothing is stored.
func TestDamaged(t *testing.T) {
	data := string(write(t))
	lines := strings.SplitAfter(data, "\n")
	last := lines[len(lines)-2]
	for _, test := range []struct{ name, data, want string }{
		{"empty", "", "it is empty, or no backup"},
		{"something else", "{}\n", "no backup of an authorization server"},
		{"not JSON", "SQLite format 3\x00", "no backup of an authorization server"},
		{"a later format", strings.Replace(data, `"oauthdyn_backup":1`, `"oauthdyn_backup":2`, 1), "has format 2; this program knows format 1"},
		{"cut in a line", data[:len(data)/2], "is damaged"},
		{"cut between lines", strings.Join(lines[:100], ""), "its end is missing"},
		{"the end was cut", data[:len(data)-10], "is not a record"},
		{"a record was lost", strings.Join(append(lines[:50:50], lines[51:]...), ""), "should have another number"},
		{"a record was changed", strings.Replace(data, `"id":"client 7"`, `"id":"client x"`, 1), "its checksum is another"},
		{"something follows", data + last, "something follows its end"},
		{"an unknown record", strings.Replace(data, `{"client":`, `{"clent":`, 1), "is not a record"},
		{"a huge line", strings.Join(lines[:2], "") + strings.Repeat("x", 2<<20), "its end is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := memory.New(nil)
			_, err := backup.Read(t.Context(), strings.NewReader(test.data), s, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err := backup.Empty(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("{\"oauthdyn_backup\":1}\n{\"records\":0,\"sha256\":\"\"}\n")
	f.Add("{\"oauthdyn_backup\":1}\n{\"client\":{\"id\":\"a\"}}\n")
	f.Fuzz(func(t *testing.T, data string) {
		s := memory.New(nil)
		if _, err := backup.Read(t.Context(), strings.NewReader(data), s, nil); err != nil {
			if err := backup.Empty(t.Context(), s); err != nil {
				t.Error("of a damaged backup something was stored")
			}
		}
	})
}
