// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"strings"
)

// maxStderrLine is how much of one line on stderr is kept and logged.
const maxStderrLine = 4 << 10

// cutMark ends a line that was longer.
const cutMark = " [cut]"

// drain reads the child's stderr until it ends. Nothing there waits for
// anybody, so that the child never waits for it.
func (c *Child) drain() {
	r := bufio.NewReaderSize(c.stderr, maxStderrLine)
	rest := false // the line's beginning was taken already
	for {
		line, err := r.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if !rest {
			c.stderrLine(line, full)
		}
		rest = full
		if err != nil && !full {
			return
		}
	}
}

func (c *Child) stderrLine(line []byte, cut bool) {
	text := strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n\t ")), "\uFFFD")
	if text == "" {
		return
	}
	if cut {
		text += cutMark
	}
	c.tail.add(text)
	c.journal.add(slog.LevelInfo, "stderr", slog.Int("pid", c.cmd.Process.Pid), slog.String("line", text))
}
