// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// receive reads the child's stdout until it ends.
func (c *Child) receive(to Receiver) {
	lines := newLineReader(c.stdout, c.cfg.MaxLine)
	for {
		line, owned, err := lines.next()
		switch {
		case errors.Is(err, errLongLine):
			c.long(to, line)
		case err != nil:
			return
		default:
			c.line(to, line, owned)
		}
	}
}

// line passes a message on and counts everything else as noise.
func (c *Child) line(to Receiver, line []byte, owned bool) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	m, err := jsonrpc.Scan(line)
	if err == nil {
		to.Receive(line, m, owned)
		return
	}
	line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\ufeff")))
	if len(line) == 0 {
		return
	}
	if m, err = jsonrpc.Scan(line); err == nil {
		to.Receive(line, m, owned)
		return
	}
	c.noise.add(c.cfg, line, err)
	if id := m.ID.Of(line); len(id) > 0 && bytes.Contains(line, []byte(`"jsonrpc"`)) {
		to.Broken(id, err)
	}
}

// long reports a message over the limit. Only its beginning is known, which
// may or may not hold the id.
func (c *Child) long(to Receiver, beginning []byte) {
	err := fmt.Errorf("message of more than %d bytes", c.cfg.MaxLine)
	c.noise.add(c.cfg, beginning, err)
	if bytes.HasPrefix(bytes.TrimSpace(beginning), []byte{'{'}) {
		var id []byte
		if m, _ := jsonrpc.Scan(beginning); m.ID.Present() {
			id = m.ID.Of(beginning)
		}
		to.Broken(id, err)
	}
}

// drain reads the child's stderr until it ends, so that the child never waits
// for it, and logs each line.
func (c *Child) drain() {
	r := bufio.NewReader(c.stderr)
	for {
		line, err := r.ReadSlice('\n') // a line that fills the buffer comes in pieces
		if text := strings.TrimSpace(string(line)); text != "" {
			c.words.add(text)
			c.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "stderr",
				slog.String("server", c.cfg.Name), slog.Int("pid", c.cmd.Process.Pid), slog.String("line", text))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// noise is what came on stdout and was no message.
type noise struct {
	mu    sync.Mutex
	count int    // guarded by mu
	text  string // guarded by mu; the first line
}

const (
	loggedNoise = 5   // lines
	shownNoise  = 200 // bytes of a line
)

func (n *noise) add(cfg Config, line []byte, reason error) {
	text := string(line[:min(len(line), shownNoise)])
	n.mu.Lock()
	n.count++
	count := n.count
	if count == 1 {
		n.text = text
	}
	n.mu.Unlock()
	if count > loggedNoise {
		return
	}
	cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, "skipped a line on stdout that is no JSON-RPC message",
		slog.String("server", cfg.Name), slog.String("line", text), slog.String("reason", reason.Error()), slog.Bool("last_report", count == loggedNoise))
}

func (n *noise) first() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}

// lastWords keeps the newest lines of stderr.
type lastWords struct {
	mu    sync.Mutex
	lines [16]string // guarded by mu; a ring
	next  int        // guarded by mu
}

func (w *lastWords) add(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines[w.next%len(w.lines)] = line
	w.next++
}

// telling returns the newest line that mentions an error, or else the newest:
// runtimes like to end a report with their version or an empty brace.
func (w *lastWords) telling() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := w.next - 1; i >= max(0, w.next-len(w.lines)); i-- {
		if line := w.lines[i%len(w.lines)]; strings.Contains(strings.ToLower(line), "error") {
			return line
		}
	}
	if w.next == 0 {
		return ""
	}
	return w.lines[(w.next-1)%len(w.lines)]
}
