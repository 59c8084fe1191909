// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxHistory = 1000    // lines
	maxKept    = 4 << 20 // bytes of the file that are read
)

// A History is the lines of earlier runs and of this one. A line that begins
// with a blank is not kept. It is a term.History.
type History struct {
	file  string
	lines []string // the newest last
	fresh int      // how many of them are of this run
}

// OpenHistory reads the lines that a file holds; there need not be one. With an
// empty name nothing is kept beyond this run.
func OpenHistory(file string) (*History, error) {
	h := &History{file: file}
	if file == "" {
		return h, nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	defer f.Close()
	if at, err := f.Stat(); err == nil && at.Size() > maxKept {
		return h, fmt.Errorf("%s is larger than %d bytes: remove it", file, maxKept)
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		h.lines = append(h.lines, lines.Text())
	}
	h.trim()
	return h, lines.Err()
}

// Add takes a line.
func (h *History) Add(line string) {
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, " ") || h.Len() > 0 && h.At(0) == line {
		return
	}
	h.lines = append(h.lines, line)
	h.fresh++
	h.trim()
}

func (h *History) trim() {
	if over := len(h.lines) - maxHistory; over > 0 {
		h.lines = slices.Delete(h.lines, 0, over)
		h.fresh = min(h.fresh, len(h.lines))
	}
}

// Len is the number of lines.
func (h *History) Len() int { return len(h.lines) }

// At is a line by its age; 0 is the newest.
func (h *History) At(age int) string { return h.lines[len(h.lines)-1-age] }

// Save adds the lines of this run to those that the file holds by now, and
// makes it readable by its owner only. Other runs may save at the same time:
// none of them leaves half a file.
func (h *History) Save() error {
	if h.file == "" || h.fresh == 0 {
		return nil
	}
	kept, err := OpenHistory(h.file)
	if err != nil {
		return err
	}
	for _, line := range h.lines[len(h.lines)-h.fresh:] {
		kept.Add(line)
	}
	if err := os.MkdirAll(filepath.Dir(h.file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(h.file), ".history-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails when it was renamed
	_, err = f.WriteString(strings.Join(kept.lines, "\n") + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	h.fresh = 0
	return os.Rename(f.Name(), h.file)
}
