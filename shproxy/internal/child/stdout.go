// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// receive reads the child's stdout until it ends. What the child did not
// complete is explained by its end.
func (c *Child) receive(to Receiver) {
	lines := newLineReader(c.stdout, c.cfg.MaxLine)
	for {
		line, owned, err := lines.next()
		switch {
		case errors.Is(err, errLongLine):
			c.long(to, line, lines.rest, lines.unfinished)
		case err != nil:
			return
		default:
			c.line(to, line, owned, lines.unfinished)
		}
	}
}

var byteOrderMark = []byte("\ufeff")

// line passes a message on and counts everything else as noise.
func (c *Child) line(to Receiver, line []byte, owned, unfinished bool) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	m, err := jsonrpc.Scan(line)
	if err == nil {
		to.Receive(line, m, owned)
		return
	}
	line = bytes.TrimSpace(bytes.TrimPrefix(line, byteOrderMark))
	if len(line) == 0 {
		return
	}
	if m, err = jsonrpc.Scan(line); err == nil {
		to.Receive(line, m, owned)
		return
	}
	switch {
	case unfinished:
		c.noise.add(c.journal, line, err)
	case line[0] == '[':
		c.batch(to, line)
	default:
		c.skip(to, line, err)
	}
}

// batch takes the messages of a batch, which servers of MCP 2025-03-26 may
// send, for messages of their own.
func (c *Child) batch(to Receiver, line []byte) {
	elements, err := jsonrpc.Elements(line)
	if err == nil && line[elements[0].Start] != '{' {
		err = errNoMessages
	}
	if err != nil {
		c.noise.add(c.journal, line, err)
		if bytes.Contains(line, []byte(`"jsonrpc"`)) {
			to.Broken(nil, err)
		}
		return
	}
	for _, element := range elements {
		frame := element.Of(line)
		if m, err := jsonrpc.Scan(frame); err != nil {
			c.skip(to, frame, err)
		} else {
			to.Receive(frame, m, false)
		}
	}
}

var errNoMessages = errors.New("an array without messages")

// skip counts a line that is no message. It may have been meant for one.
func (c *Child) skip(to Receiver, line []byte, reason error) {
	c.noise.add(c.journal, line, reason)
	if o := outlineOf(line, line); o.version {
		c.unusable(to, o, reason)
	}
}

// long skips a line over the limit, of which only the two ends are known.
func (c *Child) long(to Receiver, beginning, end []byte, unfinished bool) {
	reason := fmt.Errorf("message of more than %d bytes", c.cfg.MaxLine)
	c.noise.add(c.journal, beginning, reason)
	beginning = bytes.TrimSpace(bytes.TrimPrefix(beginning, byteOrderMark))
	if unfinished || len(beginning) == 0 || beginning[0] != '{' && beginning[0] != '[' {
		return
	}
	if o := outlineOf(beginning, end); len(o.id) > 0 || o.method {
		c.unusable(to, o, reason)
	} else {
		to.Broken(nil, reason)
	}
}

// unusable sees to it that nobody waits for a message that is lost: the call
// of a response fails, and a request is answered. A notification is only
// counted.
func (c *Child) unusable(to Receiver, o outline, reason error) {
	switch {
	case len(o.id) == 0:
	case !o.method:
		to.Broken(o.id, reason)
	default:
		code := jsonrpc.InvalidRequest
		if e, ok := errors.AsType[*jsonrpc.Error](reason); ok {
			code = e.Code
		}
		answer := jsonrpc.AppendError(nil, o.id, code, reason.Error(), nil)
		if _, err := jsonrpc.Scan(answer); err == nil {
			_ = c.Send(answer) // if it cannot be sent, the child reads nothing at all
		}
	}
}

// noise is what came on stdout and was no message.
type noise struct {
	count atomic.Int64

	mu   sync.Mutex
	text string // guarded by mu; the first line
}

const (
	loggedNoise = 5   // lines
	shownNoise  = 200 // bytes of a line
)

func (n *noise) add(log *journal, line []byte, reason error) {
	count := n.count.Add(1)
	if count > loggedNoise {
		return
	}
	text := strings.ToValidUTF8(clip(string(line[:min(len(line), shownNoise+1)]), shownNoise), "\uFFFD")
	if count == 1 {
		n.mu.Lock()
		n.text = text
		n.mu.Unlock()
	}
	log.add(slog.LevelWarn, "skipped a line on stdout that is no JSON-RPC message",
		slog.String("line", text), slog.String("reason", reason.Error()), slog.Bool("last_report", count == loggedNoise))
}

func (n *noise) first() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}
