// SPDX-License-Identifier: Apache-2.0

// Package bolt is a Store in one file, for a server that runs as one process.
// Nothing has to be set up, and each write is on disk before the reply goes out.
// Writes that come together share one flush.
//
//	db, err := bolt.Open("/var/lib/oauthdyn/oauthdyn.db", nil)
//	if err != nil { … }
//	defer db.Close()
//	options.Store = db // in authserver.Options
package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/internal/counters"
)

const (
	// lockTimeout is how long Open waits for another process to let go.
	lockTimeout = time.Second

	// batchDelay is how long a write waits for company.
	batchDelay = time.Millisecond

	// format is the layout of the file; since 2 there are indexes of grants.
	format = "2"
)

// Buckets. Those of transactions are made as needed, one for each kind.
var (
	bucketMeta      = []byte("meta")
	bucketClients   = []byte("clients")
	bucketUnused    = []byte("clients unused") // creation time and id of clients never used
	bucketCodes     = []byte("codes")
	bucketGrants    = []byte("grants")
	bucketApprovals = []byte("approvals")

	// Indexes of the grants: the hash of the owner's name, then the id.
	bucketBySubject = []byte("grants by subject")
	bucketByClient  = []byte("grants by client")

	bucketRevocations   = []byte("revocations")    // by position
	bucketRevokedTokens = []byte("revoked tokens") // by jti: when they expire

	transactions = "transactions "
)

// Options configure a Store.
type Options struct {
	Limits store.Limits     // zero fields: the defaults
	Now    func() time.Time // nil: time.Now
}

// A Store keeps everything but counters in a bbolt file. It is safe for concurrent use.
type Store struct {
	db     *bbolt.DB
	limits store.Limits
	now    func() time.Time
	counts counters.Counters

	collecting sync.Mutex
	// collecting guards positions: where Collect goes on, by bucket.
	positions map[string][]byte
}

var _ store.Store = (*Store)(nil)

// Open opens or makes a store. The file and its directory are made readable by
// their owner only. The file stays locked until Close: a second process gets an
// error after a second. Nil options are valid.
func Open(path string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("bolt: %w", err)
	}
	if err := checkSize(path); err != nil {
		return nil, err
	}
	db, err := open(path, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	db.MaxBatchDelay = batchDelay
	s := &Store{db: db, limits: o.Limits.WithDefaults(), now: o.Now, positions: map[string][]byte{}}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.initialize(); err != nil {
		return nil, fmt.Errorf("bolt: %s: %w", path, errors.Join(err, db.Close()))
	}
	return s, nil
}

func open(path string, o *bbolt.Options) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("bolt: %s is in use by another process", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("bolt: %s is not a store, or is damaged", path)
	case err != nil:
		return nil, fmt.Errorf("bolt: %w", err)
	}
	return db, nil
}

// checkSize refuses a file that has lost its end, as a copy that was cut short
// has: bbolt would map it into memory, and die of reading what is not there.
func checkSize(path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil // a new one
	}
	db, err := open(path, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return err
	}
	check := func(tx *bbolt.Tx) error {
		switch info, err := os.Stat(path); {
		case err != nil:
			return fmt.Errorf("bolt: %w", err)
		case info.Size() < tx.Size():
			return fmt.Errorf("bolt: %s is damaged: it has %d bytes of %d", path, info.Size(), tx.Size())
		}
		return nil
	}
	return errors.Join(db.View(check), db.Close())
}

// prepare makes the directory and checks who can read the file.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("directory of the store cannot be made: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be read by other users of this machine; run: chmod 600 %s", path, path)
	}
	return nil
}

func (s *Store) initialize() error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{
			bucketMeta, bucketClients, bucketUnused, bucketCodes, bucketGrants, bucketApprovals,
			bucketBySubject, bucketByClient, bucketRevocations, bucketRevokedTokens,
		} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		switch found := string(meta.Get([]byte("format"))); found {
		case format:
			return nil
		case "1":
			if err := indexGrants(tx); err != nil {
				return err
			}
			fallthrough
		case "":
			return meta.Put([]byte("format"), []byte(format))
		default:
			return fmt.Errorf("has format %s; this program knows format %s", found, format)
		}
	})
}

// Close waits for running transactions and releases the file.
func (s *Store) Close() error { return s.db.Close() }

// update runs fn in a transaction that may be shared with others. The errors of
// package store are answers, not failures: what fn wrote before them counts. fn
// may run more than once.
func (s *Store) update(fn func(*bbolt.Tx) error) error {
	var answer error
	err := s.db.Batch(func(tx *bbolt.Tx) error {
		switch answer = fn(tx); {
		case errors.Is(answer, store.ErrNotFound), errors.Is(answer, store.ErrReplayed),
			errors.Is(answer, store.ErrConflict), errors.Is(answer, store.ErrFull):
			return nil
		}
		return answer
	})
	if err != nil {
		return err
	}
	return answer
}

// get decodes a record, or returns ErrNotFound.
func get[T any](b *bbolt.Bucket, key []byte) (*T, error) {
	data := b.Get(key)
	if data == nil {
		return nil, store.ErrNotFound
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("bolt: record cannot be read: %w", err)
	}
	return v, nil
}

// page decodes the records after a key that are wanted, n at most.
func page[T any](b *bbolt.Bucket, after []byte, n int, wanted func(*T) bool) (found []T, err error) {
	c := b.Cursor()
	key, _ := c.Seek(after)
	if bytes.Equal(key, after) {
		key, _ = c.Next()
	}
	for ; key != nil && len(found) < n; key, _ = c.Next() {
		v, err := get[T](b, key)
		if err != nil {
			return nil, err
		}
		if wanted(v) {
			found = append(found, *v)
		}
	}
	return found, nil
}

func put(b *bbolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, data)
}

// count adds n to the number of records that a bucket holds; bbolt keeps it
// with the bucket, as its sequence.
func count(b *bbolt.Bucket, n int) error {
	return b.SetSequence(uint64(int64(b.Sequence()) + int64(n)))
}
