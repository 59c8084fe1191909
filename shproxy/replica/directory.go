// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/bucket"
)

// Directory is what all replicas share. Records are opaque to it. It must be
// safe for concurrent use. Package replicatest tests one.
type Directory interface {
	// Put writes the record of a replica, which is there for the duration
	// lease unless it is put again.
	Put(ctx context.Context, name string, record []byte, lease time.Duration) error
	// List returns the records that are there, by name.
	List(ctx context.Context) (map[string][]byte, error)
	// Share notes that the replica has n things of the kind key, instead of
	// what it had before, unless it and the others whose records are there
	// would have more than limit: then it notes nothing, and reports false. A
	// negative limit is none. What a replica has counts again if its record is
	// put again soon after the lease ended. Concurrent calls for one replica
	// and key need not be supported.
	Share(ctx context.Context, name, key string, n, limit int) (ok bool, err error)
	// Take takes n of what all replicas may take of a key, and returns 0; or
	// it takes nothing and returns how long the caller has to wait. One is
	// earned in the time every, until there are burst of them. More than
	// those are taken when all of them are there; the rest is owed, and has
	// to be earned before anything else is.
	Take(ctx context.Context, key string, n int, every time.Duration, burst int) (wait time.Duration, err error)
}

// Memory is a Directory in the memory of one process, for programs and tests
// with several replicas in them. Its zero value is empty and ready to use.
type Memory struct {
	mu      sync.Mutex
	records map[string]memoryRecord   // guarded by mu; by name
	shared  map[string]map[string]int // guarded by mu; by key and name
	rates   bucket.Buckets
}

type memoryRecord struct {
	data []byte
	ends time.Time
}

// remember is how long after the end of its lease the counts of a replica are
// kept: it may put its record again without having noticed that it was gone.
const remember = time.Hour

// lives reports whether the lease of a replica has not ended. d.mu is held.
func (d *Memory) lives(name string) bool {
	r, known := d.records[name]
	return known && time.Now().Before(r.ends)
}

// expire forgets what has had no lease for long. d.mu is held.
func (d *Memory) expire() {
	for name, r := range d.records {
		if time.Since(r.ends) >= remember {
			delete(d.records, name)
			for key, counts := range d.shared {
				if delete(counts, name); len(counts) == 0 {
					delete(d.shared, key)
				}
			}
		}
	}
}

// Put implements [Directory].
func (d *Memory) Put(_ context.Context, name string, record []byte, lease time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	if d.records == nil {
		d.records = make(map[string]memoryRecord)
	}
	d.records[name] = memoryRecord{append([]byte(nil), record...), time.Now().Add(lease)}
	return nil
}

// List implements [Directory].
func (d *Memory) List(context.Context) (map[string][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	all := make(map[string][]byte, len(d.records))
	for name, r := range d.records {
		if d.lives(name) {
			all[name] = append([]byte(nil), r.data...)
		}
	}
	return all, nil
}

// Share implements [Directory].
func (d *Memory) Share(_ context.Context, name, key string, n, limit int) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	counts := d.shared[key]
	sum := n
	for other, count := range counts {
		if other != name && d.lives(other) {
			sum += count
		}
	}
	if limit >= 0 && sum > limit {
		return false, nil
	}
	if n == 0 {
		if delete(counts, name); len(counts) == 0 {
			delete(d.shared, key)
		}
		return true, nil
	}
	if counts == nil {
		counts = make(map[string]int)
		if d.shared == nil {
			d.shared = make(map[string]map[string]int)
		}
		d.shared[key] = counts
	}
	counts[name] = n
	return true, nil
}

// Take implements [Directory].
func (d *Memory) Take(_ context.Context, key string, n int, every time.Duration, burst int) (time.Duration, error) {
	return d.rates.Take(key, n, every, burst), nil
}
