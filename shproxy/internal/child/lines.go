// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// errLongLine goes with the beginning of a line that exceeds the limit. Its end
// is in the reader's rest.
var errLongLine = errors.New("line too long")

const (
	firstBuffer = 4 << 10  // most children never say more at a time
	chunkSize   = 64 << 10 // what a pipe holds
	// headroom lets an id grow inside a long line without another copy.
	headroom = 128
	// restSize is how much of the end of a line over the limit is kept.
	restSize = 4 << 10
)

var (
	chunks    = sync.Pool{New: func() any { return new([chunkSize]byte) }}
	longLines sync.Pool // of *[]byte, at most mostLong long
	hugeLines sync.Pool // of *[]byte, longer than that
)

// mostLong parts the buffers that are kept for another line in two kinds, lest
// a line of some hundred KB hold the room of one of some MB. The collector
// takes back those that wait for too long.
const mostLong = 1 << 20

func poolOf(n int) *sync.Pool {
	if n > mostLong {
		return &hugeLines
	}
	return &longLines
}

// LongBuffer returns an empty buffer for n bytes, which should be many.
func LongBuffer(n int) []byte {
	if b, ok := poolOf(n).Get().(*[]byte); ok && cap(*b) >= n {
		return (*b)[:0]
	}
	return make([]byte, 0, n)
}

// Recycle takes back a [LongBuffer], or the buffer of a line that the receiver
// owned. Nothing may refer to it any more.
func Recycle(buffer []byte) {
	if cap(buffer) > chunkSize {
		poolOf(cap(buffer)).Put(&buffer)
	}
}

// lineReader cuts a stream into lines. Short lines stay in its buffer; a long
// one is gathered in chunks and copied together once, so that it never takes
// more than twice its size.
type lineReader struct {
	r   io.Reader
	max int

	buf     []byte
	start   int // of the bytes not yet returned
	scanned int // up to here there is no line end after start
	end     int // of the bytes read

	rest       []byte // the end of the last line, if that was over the limit
	unfinished bool   // the last line was ended by the end of the stream
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{r: r, max: limit, buf: make([]byte, firstBuffer)}
}

// next returns the next line without its end. The line is only valid until
// the next call unless owned says that it belongs to the caller. A last line
// without an end counts. With [errLongLine] comes the beginning of the line;
// the rest is skipped but for what l.rest holds.
func (l *lineReader) next() (line []byte, owned bool, err error) {
	for {
		if i := bytes.IndexByte(l.buf[l.scanned:l.end], '\n'); i >= 0 {
			line := l.buf[l.start : l.scanned+i]
			l.start = l.scanned + i + 1
			l.scanned = l.start
			return line, false, l.check(line)
		}
		l.scanned = l.end
		if l.end == len(l.buf) && !l.makeRoom() {
			return l.long()
		}
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if n == 0 && err != nil {
			line := l.buf[l.start:l.end]
			l.start, l.scanned, l.end = 0, 0, 0
			if len(line) > 0 {
				l.unfinished = true
				return line, false, l.check(line)
			}
			return nil, false, err
		}
	}
}

func (l *lineReader) check(line []byte) error {
	if len(line) > l.max {
		l.rest = line
		return errLongLine
	}
	return nil
}

// makeRoom moves what is left to the front of the buffer, or doubles it up to
// the size of a chunk.
func (l *lineReader) makeRoom() bool {
	rest := l.buf[l.start:l.end]
	switch {
	case l.start > 0:
		copy(l.buf, rest)
	case len(l.buf) < chunkSize:
		grown := make([]byte, 2*len(l.buf))
		copy(grown, rest)
		l.buf = grown
	default:
		return false
	}
	l.start, l.scanned, l.end = 0, len(rest), len(rest)
	return true
}

// long reads the rest of a line whose beginning fills the whole buffer.
func (l *lineReader) long() (line []byte, owned bool, err error) {
	g := gathering{head: l.buf, size: len(l.buf), max: l.max}
	defer g.release()
	for {
		free := g.free()
		n, err := l.r.Read(free)
		i := bytes.IndexByte(free[:n], '\n')
		if i < 0 && (n > 0 || err == nil) {
			g.add(n)
			continue
		}
		rest := free[n:n]
		if i >= 0 {
			g.add(i)
			rest = free[i+1 : n]
		}
		l.unfinished = i < 0
		line, err := g.join()
		l.rest = g.rest
		l.start, l.scanned, l.end = 0, 0, copy(l.buf, rest)
		return line, err == nil, err
	}
}

// gathering is a long line in pieces: its head, full chunks, and a last chunk
// that is partly used. Past the limit it only counts and keeps the end.
type gathering struct {
	head []byte
	full []*[chunkSize]byte
	last *[chunkSize]byte
	used int
	size int
	max  int
	rest []byte // the end of what came so far, once it is over the limit
}

// free returns the room into which to read next.
func (g *gathering) free() []byte {
	if g.last == nil {
		g.last = chunks.Get().(*[chunkSize]byte)
		g.used = 0
	}
	return g.last[g.used:]
}

// add takes n bytes that were read into the free room.
func (g *gathering) add(n int) {
	g.size += n
	if g.size > g.max {
		g.keepRest(n)
		for _, c := range g.full {
			chunks.Put(c)
		}
		g.full, g.used = nil, 0
		return
	}
	if g.used += n; g.used == chunkSize {
		g.full = append(g.full, g.last)
		g.last = nil
	}
}

// keepRest notes the end of the line, of which n bytes are new.
func (g *gathering) keepRest(n int) {
	if g.rest == nil { // the limit was just passed
		before := g.head
		if k := len(g.full); k > 0 {
			before = g.full[k-1][:]
		}
		g.rest = append(g.rest, before[max(0, len(before)-restSize):]...)
		g.rest = append(g.rest, g.last[:g.used]...)
	}
	g.rest = append(g.rest, g.last[g.used:g.used+n]...)
	if over := len(g.rest) - restSize; over > 0 {
		g.rest = g.rest[:copy(g.rest, g.rest[over:])]
	}
}

// join copies the line together.
func (g *gathering) join() ([]byte, error) {
	if g.size > g.max {
		return bytes.Clone(g.head), errLongLine
	}
	line := LongBuffer(g.size + headroom)
	line = append(line, g.head...)
	for _, c := range g.full {
		line = append(line, c[:]...)
	}
	if g.last != nil {
		line = append(line, g.last[:g.used]...)
	}
	return line, nil
}

func (g *gathering) release() {
	for _, c := range g.full {
		chunks.Put(c)
	}
	if g.last != nil {
		chunks.Put(g.last)
	}
}
