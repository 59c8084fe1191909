// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// barInterval bounds how often a bar is drawn: servers may report progress
// thousands of times a second.
const barInterval = 50 * time.Millisecond

// A Bar is the last line of a terminal, which shows progress while other lines
// appear above it. If the screen is no terminal, only the other lines do. It is
// safe for concurrent use.
type Bar struct {
	out    io.Writer
	screen Screen
	now    func() time.Time

	mu    sync.Mutex
	off   bool      // mu guards it: nothing is drawn
	line  string    // mu guards it: what is drawn, or waits to be
	shown bool      // mu guards it: the terminal shows a line of the bar
	drawn time.Time // mu guards it
}

// NewBar returns a bar that draws to out, which nobody else should write to
// without a [Bar.Clear] before. A nil now is time.Now.
func NewBar(out io.Writer, screen Screen, now func() time.Time) *Bar {
	if now == nil {
		now = time.Now
	}
	return &Bar{out: out, screen: screen, now: now}
}

// Update shows progress: the part of total that is done, if total is above 0,
// and a message of the server's.
func (b *Bar) Update(progress, total float64, message string) {
	if !b.screen.Terminal() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.off {
		return
	}
	b.line = b.screen.Progress(progress, total, message)
	if now := b.now(); now.Sub(b.drawn) >= barInterval || total > 0 && progress >= total {
		b.drawn = now
		b.draw()
	}
}

const eraseLine = "\r\x1b[K"

func (b *Bar) draw() {
	if b.line != "" {
		io.WriteString(b.out, eraseLine+b.line) // a terminal that is gone needs no bar
		b.shown = true
	}
}

// Print writes lines above the bar. They must be safe.
func (b *Bar) Print(lines string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	io.WriteString(b.out, endLine(lines)) // as above
	b.draw()
}

func (b *Bar) erase() {
	if b.shown {
		io.WriteString(b.out, eraseLine) // as above
		b.shown = false
	}
}

// Clear takes the bar away, until the next Update.
func (b *Bar) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.line = ""
}

// Stop takes the bar away until Start: progress that is reported late would be
// drawn over what comes next.
func (b *Bar) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.line, b.off = "", true
}

// Start lets a stopped bar be drawn again.
func (b *Bar) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.off = false
}

// Progress is one line, narrower than the screen, that shows how far something
// has come: a bar if total is above 0, else the number alone.
func (s Screen) Progress(progress, total float64, message string) string {
	width := s.Width - 1 // a full line would make some terminals scroll
	message = Line(message)
	if !(total > 0) || math.IsInf(total, 0) || math.IsNaN(progress) {
		return Clip(strings.TrimRight(number(progress)+"  "+message, " "), width)
	}
	part := min(max(progress/total, 0), 1)
	head := fmt.Sprintf("%3.0f%% ", math.Floor(part*100))
	tail := " " + number(progress) + "/" + number(total)
	room := min(width-len(head)-len(tail), 30)
	if room < 5 {
		return Clip(strings.TrimSpace(head)+tail, width)
	}
	done := int(part * float64(room))
	bar := s.paint(strings.Repeat("█", done), code) + s.paint(strings.Repeat("░", room-done), dim)
	line := head + bar + tail
	if left := width - len(head) - room - len(tail) - 2; message != "" && left > 1 {
		line += "  " + Clip(message, left)
	}
	return line
}

// number writes whole numbers without decimals and others with few.
func number(f float64) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "?"
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}
