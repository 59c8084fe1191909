// SPDX-License-Identifier: Apache-2.0

// Package render draws what MCP servers say for people at a terminal: text,
// tables, Markdown, images and progress.
//
// Servers are strangers. Whatever comes from them passes [Safe] or [Line]
// before it is drawn, so that it cannot move the cursor, colour or retitle the
// terminal, or turn the direction of text around.
//
// All functions are pure, but for those of [Bar], which writes. None knows the
// process: a [Screen] says what is drawn for.
package render

// A Screen says what is drawn for. The zero value is no terminal: lines of any
// length, and no escape sequences.
type Screen struct {
	// Width is the number of columns of the terminal, 0 if there is none.
	Width int

	// Color allows bold, dim, colours and other attributes (SGR).
	Color bool

	// Images is how the terminal takes images.
	Images ImageProtocol
}

// Terminal reports whether the screen is a terminal.
func (s Screen) Terminal() bool { return s.Width > 0 }
