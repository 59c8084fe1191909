// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// result cuts the slice that a call asks for out of a document. The texts are
// those that users of mcp-server-fetch have in their prompts.
func (d *document) result(in input) (*mcp.CallToolResult, *output) {
	out := &output{
		URL:         in.URL,
		FinalURL:    d.finalURL.String(),
		Status:      d.status,
		ContentType: d.contentType,
		Title:       d.title,
		Length:      utf8.RuneCountInString(d.text),
		StartIndex:  in.StartIndex,
	}
	if d.image != nil {
		return &mcp.CallToolResult{Content: []mcp.Content{
			&mcp.TextContent{Text: "Contents of " + out.FinalURL + ": an image, " + strconv.Itoa(len(d.image)) + " bytes"},
			&mcp.ImageContent{Data: d.image, MIMEType: d.contentType},
		}}, out
	}
	part := slice(d.text, in.StartIndex, in.MaxLength)
	end := in.StartIndex + utf8.RuneCountInString(part)
	if out.Truncated = end < out.Length; out.Truncated {
		out.NextIndex = &end
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: d.frame(part, out)}}}, out
}

// frame is the one place where fetched text is put between words of this
// server.
func (d *document) frame(part string, out *output) string {
	var b strings.Builder
	if !d.markdown {
		b.WriteString("Content type " + d.contentType + " cannot be simplified to markdown, but here is the raw content:\n")
	}
	b.WriteString("Contents of " + out.FinalURL + ":\n")
	switch {
	case d.text == "":
		b.WriteString("<error>The page contains no text. If it is built by scripts, they were not run; raw=true returns its HTML.</error>")
	case part == "":
		b.WriteString("<error>No more content available.</error>")
	default:
		b.WriteString(part)
	}
	switch {
	case out.Truncated:
		next := strconv.Itoa(*out.NextIndex)
		b.WriteString("\n\n<error>Content truncated. Call the fetch tool with a start_index of " + next + " to get more content.</error>")
	case d.partial:
		b.WriteString("\n\n<error>The page is too large to be converted whole; the rest of it is not available.</error>")
	}
	return b.String()
}

// slice returns at most length code points of s from the code point start on.
func slice(s string, start, length int) string {
	from := offset(s, start)
	s = s[from:]
	return s[:offset(s, length)]
}

// offset returns the byte offset of the n-th code point, or len(s).
func offset(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		if s[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}
