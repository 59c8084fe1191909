// SPDX-License-Identifier: Apache-2.0

//go:build unix

package migration_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A block is a fenced piece of a page: its text, and the words behind the
// fence. These are the language and
//
//	was, now   a line of the old program, and those that take its place
//	stdio      the command is a server on stdio, not one at a URL
//	server     the command serves until the page ends
//	NAME.json  the text is that file
type block struct {
	language string
	words    []string
	text     string
	line     int
}

func (b block) has(word string) bool { return slices.Contains(b.words, word) }

var fence = regexp.MustCompile("^```+(.*)$")

// A page is one of docs/migration.
type page struct {
	name   string
	text   string
	blocks []block
}

func readPage(t *testing.T, name string) *page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "migration", name))
	if err != nil {
		t.Fatal(err)
	}
	p := &page{name: name, text: string(data)}
	open := -1
	for i, line := range strings.Split(p.text, "\n") {
		match := fence.FindStringSubmatch(line)
		switch {
		case match == nil && open < 0:
		case match == nil:
			p.blocks[open].text += line + "\n"
		case open < 0:
			words := strings.Fields(match[1])
			if len(words) == 0 {
				t.Fatalf("%s:%d: a block without a language is not tested", name, i+1)
			}
			p.blocks = append(p.blocks, block{language: words[0], words: words[1:], line: i + 1})
			open = len(p.blocks) - 1
		default:
			open = -1
		}
	}
	for _, b := range p.blocks {
		if b.language != "sh" && b.language != "json" {
			t.Errorf("%s:%d: a block of %s is not tested", name, b.line, b.language)
		}
		for _, word := range b.words {
			if !slices.Contains([]string{"was", "now", "stdio", "server"}, word) && !strings.HasSuffix(word, ".json") {
				t.Errorf("%s:%d: nobody knows what %s means", name, b.line, word)
			}
		}
	}
	return p
}

// A pair is an old line, and what takes its place.
type pair struct {
	was block
	now []block
}

func (p *page) pairs(t *testing.T) (pairs []pair) {
	t.Helper()
	for _, b := range p.blocks {
		switch {
		case b.has("was"):
			pairs = append(pairs, pair{was: b})
		case b.has("now") && len(pairs) == 0:
			t.Fatalf("%s:%d: now without was", p.name, b.line)
		case b.has("now"):
			last := &pairs[len(pairs)-1]
			last.now = append(last.now, b)
		}
	}
	for _, pair := range pairs {
		if len(pair.now) == 0 {
			t.Errorf("%s:%d: was without now", p.name, pair.was.line)
		}
	}
	return pairs
}

// A row is one of a table, with its cells.
type row []string

// table returns the rows of the table whose first head is that.
func (p *page) table(t *testing.T, head string) (rows []row) {
	t.Helper()
	inside := false
	for line := range strings.Lines(p.text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "|"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "\x00", "|")
		}
		switch {
		case cells[0] == head:
			inside = true
		case inside && !strings.HasPrefix(cells[0], "---"):
			rows = append(rows, cells)
		}
	}
	if rows == nil {
		t.Fatalf("%s: no table %q", p.name, head)
	}
	return rows
}

var flagName = regexp.MustCompile(`--[a-zA-Z][a-zA-Z0-9-]*`)

// flags are those that are named in a text.
func flags(text string) []string { return flagName.FindAllString(text, -1) }
