// SPDX-License-Identifier: Apache-2.0

package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/bolt"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/storetest"
)

// writerVar makes the test binary a process that writes to a store until it is
// killed.
const writerVar = "BOLT_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVar); path != "" {
		fmt.Fprintln(os.Stderr, write(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string, o *bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, o)
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

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, o storetest.Options) store.Store {
		return open(t, filepath.Join(t.TempDir(), "db"), &bolt.Options{Limits: o.Limits, Now: o.Now})
	})
}

func TestSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "on the way", "db")
	s, err := bolt.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.CreateClient(t.Context(), store.Client{ID: "a"}), s.SaveKeys(t.Context(), []byte("keys"), 0), s.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	s = open(t, path, nil)
	if _, err := s.Client(t.Context(), "a"); err != nil {
		t.Errorf("client: %v", err)
	}
	if doc, _, err := s.LoadKeys(t.Context()); string(doc) != "keys" || err != nil {
		t.Errorf("keys: %q %v", doc, err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	busy := filepath.Join(dir, "busy")
	open(t, busy, nil)
	for _, test := range []struct{ name, path, want string }{
		{"in use", busy, "is in use by another process"},
		{"damaged", file("damaged", strings.Repeat("not a database", 1000), 0o600), "is not a store, or is damaged"},
		{"readable", file("readable", "", 0o644), "can be read by other users of this machine; run: chmod 600"},
		{"directory", dir, "is not a regular file"},
		{"no directory", filepath.Join(file("file", "x", 0o600), "db"), "not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := bolt.Open(test.path, nil)
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, test.want)
			}
		})
	}
}

// A copy that was cut short must not take the process down.
func TestFileThatLostItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, err := bolt.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.CreateClient(t.Context(), store.Client{ID: "a"}), s.Close()); err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	for _, pages := range []int64{4, 3, 2} {
		if err := os.Truncate(path, pages*page); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(path, nil)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%d pages: error %v", pages, err)
		}
	}
}

// write registers clients and prints the id of each when it is stored.
func write(path string) error {
	s, err := bolt.Open(path, nil)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprint("client ", i)
		if err := s.CreateClient(context.Background(), store.Client{ID: id}); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// TestKill kills a writing process several times. What it has confirmed must be
// there afterwards.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		confirmed := killedWriter(t, exe, path, 20+7*round)
		s, err := bolt.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range confirmed {
			if _, err := s.Client(t.Context(), id); err != nil {
				t.Errorf("round %d: %s: %v", round, id, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedWriter kills a writer after it has confirmed some records and returns
// all it has confirmed.
func killedWriter(t *testing.T, exe, path string, after int) (confirmed []string) {
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), writerVar+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(3*time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		confirmed = append(confirmed, lines.Text())
		if len(confirmed) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the writer was not killed")
	}
	if len(confirmed) < after {
		t.Errorf("the writer confirmed %d records, want %d", len(confirmed), after)
	}
	return confirmed
}

// A file of the first format has no indexes of its grants.
func TestFormerFormat(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "db")
	s, err := bolt.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	grant := store.Grant{ID: store.HashOf("g"), ClientID: "client", Subject: "local:alice", Created: now, Expires: now.Add(time.Hour)}
	code := store.Code{Hash: store.HashOf("c"), ClientID: "client", Expires: now.Add(time.Hour)}
	if err := errors.Join(s.PutCode(ctx, code), s.RedeemCode(ctx, code.Hash, grant), s.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(
			tx.DeleteBucket([]byte("grants by subject")), tx.DeleteBucket([]byte("grants by client")),
			tx.DeleteBucket([]byte("revocations")), tx.DeleteBucket([]byte("revoked tokens")),
			tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("1")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := bolt.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []store.Owner{{ClientID: "client"}, {Subject: "local:alice"}} {
			if grants, err := s.ListGrants(ctx, o); len(grants) != 1 || err != nil {
				t.Errorf("%+v has %d grants, %v", o, len(grants), err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
