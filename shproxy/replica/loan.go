// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"
	"io"
	"sync"
)

var errOver = errors.New("the request is over")

// loan lends bytes for bodies of requests, until it is over. A transport may go
// on reading when there is an answer already, and by then the owner of the bytes
// may use them for something else.
type loan struct {
	mu   sync.Mutex
	data []byte // guarded by mu
	over bool   // guarded by mu
}

// body returns a new reader of all bytes.
func (l *loan) body() (io.ReadCloser, error) { return io.NopCloser(&lent{loan: l}), nil }

func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// lent reads what a loan lends. It has no WriteTo, by which the bytes themselves
// would get out.
type lent struct {
	*loan
	at int
}

func (r *lent) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return 0, errOver
	case r.at == len(r.data):
		return 0, io.EOF
	}
	n := copy(p, r.data[r.at:])
	r.at += n
	return n, nil
}
