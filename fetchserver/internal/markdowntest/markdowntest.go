// SPDX-License-Identifier: Apache-2.0

// Package markdowntest judges Markdown by what a Markdown reader makes of it:
// it renders with goldmark and compares HTML under the normalization of the
// CommonMark specification. It is for tests and measurements.
package markdowntest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

var (
	plain = goldmark.New(goldmark.WithRendererOptions(html.WithUnsafe()))
	gfm   = goldmark.New(goldmark.WithRendererOptions(html.WithUnsafe()), goldmark.WithExtensions(
		extension.Table, extension.Strikethrough, extension.TaskList, extension.Footnote))
)

// CommonMark renders Markdown as HTML by the CommonMark specification.
func CommonMark(markdown string) string { return render(plain, markdown) }

// GFM renders Markdown as HTML with tables, strikethrough, task lists and
// footnotes as well.
func GFM(markdown string) string { return render(gfm, markdown) }

func render(m goldmark.Markdown, markdown string) string {
	var b bytes.Buffer
	if err := m.Convert([]byte(markdown), &b); err != nil {
		return fmt.Sprintf("goldmark: %v", err) // never: a buffer takes everything
	}
	return b.String()
}

// Example is one of the CommonMark specification's examples.
type Example struct {
	Markdown string `json:"markdown"`
	HTML     string `json:"html"`
	Section  string `json:"section"`
	Number   int    `json:"example"`
}

// SpecFile is where the specification's examples are below a directory of test
// data. They come from https://spec.commonmark.org (test/spec_tests.py
// --dump-tests of github.com/commonmark/commonmark-spec).
const SpecFile = "commonmark/spec-tests.json"

// Examples reads the specification's examples without the sections on raw
// HTML, which Markdown written from HTML does not contain.
func Examples(dir string) ([]Example, error) {
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(SpecFile)))
	if err != nil {
		return nil, err
	}
	var all, kept []Example
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", SpecFile, err)
	}
	for _, e := range all {
		if e.Section != "HTML blocks" && e.Section != "Raw HTML" {
			kept = append(kept, e)
		}
	}
	return kept, nil
}

// A Miss is an example that did not survive its round trip.
type Miss struct {
	Example
	Got      string // the Markdown that was written
	GotHTML  string // what it renders as, normalized
	WantHTML string // the example, normalized
}

// RoundTrip converts the HTML of each example and returns those whose Markdown
// does not render as the same HTML.
func RoundTrip(examples []Example, convert func(html string) string) []Miss {
	var misses []Miss
	for _, e := range examples {
		got := convert(e.HTML)
		m := Miss{e, got, Normalize(CommonMark(got)), Normalize(e.HTML)}
		if m.GotHTML != m.WantHTML {
			misses = append(misses, m)
		}
	}
	return misses
}
