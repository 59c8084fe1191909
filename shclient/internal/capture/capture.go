// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// format is the version of captures.
const format = 1

// The bounds of a capture.
const (
	maxLine    = 128 << 20 // bytes of a line
	maxEntries = 1_000_000
	MaxBytes   = 1 << 30 // of a file; Writer stops there
)

// A Header is the first line of a capture.
type Header struct {
	Capture  int       `json:"capture"` // the version of the format
	Time     time.Time `json:"time"`    // of the beginning
	Target   string    `json:"target"`
	Redacted bool      `json:"redacted"` // whether secrets were taken out
}

// Side is who says something.
type Side string

// The sides.
const (
	Client Side = "client"
	Server Side = "server"
)

// An Entry is one message. Message is JSON; a line that was none is in Text.
type Entry struct {
	Milliseconds float64         `json:"ms"` // since the beginning
	From         Side            `json:"from"`
	Message      json.RawMessage `json:"message,omitempty"`
	Text         string          `json:"text,omitempty"`

	Line int             `json:"-"` // in the file, from 1
	m    jsonrpc.Message // of Message
}

// A Writer writes a capture, a line at a time. It is safe for concurrent use.
type Writer struct {
	redactor *Redactor
	start    time.Time

	mu      sync.Mutex
	w       io.Writer // mu guards the rest
	written int64
	err     error
}

// ErrFull is what a Writer ends with at MaxBytes.
var ErrFull = fmt.Errorf("the capture has reached %d bytes; what follows is not in it", MaxBytes)

// NewWriter begins a capture. A nil redactor keeps secrets.
func NewWriter(w io.Writer, target string, redactor *Redactor) (*Writer, error) {
	c := &Writer{redactor: redactor, start: time.Now(), w: w}
	c.line(Header{Capture: format, Time: c.start.UTC().Truncate(time.Millisecond), Target: target, Redacted: redactor != nil})
	return c, c.err
}

// Write appends a message, or a line that is none. What comes after an error is
// dropped; Err has it.
func (c *Writer) Write(from Side, line []byte) {
	e := Entry{From: from, Milliseconds: float64(time.Since(c.start).Microseconds()) / 1000}
	_, err := jsonrpc.Scan(line)
	switch {
	case err != nil && c.redactor == nil:
		e.Text = string(line)
	case err != nil:
		e.Text = c.redactor.Text(string(line))
	case c.redactor == nil:
		e.Message = line
	default:
		e.Message = c.redactor.Message(line)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line(e)
}

// line writes a value. c.mu is held.
func (c *Writer) line(v any) {
	if c.err != nil {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if c.err = enc.Encode(v); c.err != nil {
		return
	}
	if c.written+int64(b.Len()) > MaxBytes {
		c.err = ErrFull
		return
	}
	c.written += int64(b.Len())
	_, c.err = c.w.Write(b.Bytes())
}

// Err is why the capture is not complete, or nil.
func (c *Writer) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// A Capture is what was read of a file.
type Capture struct {
	Header  Header
	Entries []Entry
}

// Read reads a capture. An incomplete last line, of a process that was killed,
// is left out.
func Read(r io.Reader) (*Capture, error) {
	lines := bufio.NewScanner(io.LimitReader(r, MaxBytes+1))
	lines.Buffer(nil, maxLine)
	c := &Capture{}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &c.Header) != nil || c.Header.Capture == 0 {
		return nil, errors.New("no capture: the first line must be its header, as `shclient record` writes it")
	}
	if c.Header.Capture != format {
		return nil, fmt.Errorf("a capture of format %d; this program reads format %d", c.Header.Capture, format)
	}
	var broken error
	for n := 2; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if broken != nil {
			return nil, broken
		}
		e := Entry{Line: n}
		if broken = e.read(lines.Bytes()); broken != nil {
			continue
		}
		if len(c.Entries) == maxEntries {
			return nil, fmt.Errorf("more than %d messages", maxEntries)
		}
		c.Entries = append(c.Entries, e)
	}
	return c, lines.Err()
}

func (e *Entry) read(line []byte) (err error) {
	if err = json.Unmarshal(line, e); err != nil {
		return fmt.Errorf("line %d: %w", e.Line, err)
	}
	if e.From != Client && e.From != Server {
		return fmt.Errorf("line %d: from must be client or server", e.Line)
	}
	if len(e.Message) == 0 {
		return nil
	}
	if e.m, err = jsonrpc.Scan(e.Message); err != nil {
		return fmt.Errorf("line %d: %w", e.Line, err)
	}
	return nil
}

// method is that of a request or a notification.
func (e *Entry) method() string { return jsonrpc.Text(e.m.Method.Of(e.Message)) }

// id is comparable, whatever its spelling.
func (e *Entry) id() string { return jsonrpc.Key(e.m.ID.Of(e.Message)) }
