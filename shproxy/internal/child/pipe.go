// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"io"
	"os"
	"time"
)

// maxLeft bounds what is read of a pipe after its child's end: a pipe holds
// no more, unless the system's administrator says otherwise.
const maxLeft = 1 << 20

// pipe is the reading end of a child's output.
type pipe struct {
	*os.File
	left int // of maxLeft; used by the reader alone
}

// expire tells the reader that the child has ended. It gets what is in the
// pipe, and then its end: a process that has left the child's group may hold
// the pipe open for ever.
func (p *pipe) expire() { _ = p.SetReadDeadline(time.Unix(1, 0)) }

// Read implements [io.Reader].
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.File.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if n, err = p.readNow(b[:min(len(b), p.left)]); err != nil || n <= 0 {
		return 0, io.EOF
	}
	p.left -= n
	return n, nil
}
