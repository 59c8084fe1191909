// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto/sha256"
	"sync"
	"time"
)

// replayWindow is how long a proof that was seen could pass again.
const replayWindow = 2 * ProofAge

// maxReplays bounds the proofs of one generation that are remembered.
const maxReplays = 1 << 16

// Replays remembers proofs that were used, as long as they could be used again:
// RFC 9449 section 11.1. It holds two generations of 65,536 proofs at most; when
// more come within minutes, the oldest are forgotten before their time. The zero
// value is ready. It is safe for concurrent use.
type Replays struct {
	mu sync.Mutex
	// mu guards the fields below.
	young, old map[[sha256.Size]byte]struct{}
	began      time.Time // of the young generation
}

// Use records a proof, and reports whether it was new. Check it first, so that
// nobody fills the memory with what would not pass anyway.
func (r *Replays) Use(p *SignedProof, now time.Time) bool {
	key := sha256.Sum256([]byte(p.Thumbprint + "\x00" + p.claims.ID))
	r.mu.Lock()
	defer r.mu.Unlock()
	switch age := now.Sub(r.began); {
	case age >= 2*replayWindow:
		r.young, r.old, r.began = nil, nil, now
	case age >= replayWindow, len(r.young) >= maxReplays:
		r.young, r.old, r.began = nil, r.young, now
	}
	if r.young == nil {
		r.young = map[[sha256.Size]byte]struct{}{}
	}
	_, young := r.young[key]
	_, old := r.old[key]
	r.young[key] = struct{}{}
	return !young && !old
}
