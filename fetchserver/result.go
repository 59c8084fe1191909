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
func (d *Document) result(in input) (*mcp.CallToolResult, *output) {
	out := &output{
		URL:         in.URL,
		FinalURL:    d.URL.String(),
		Status:      d.Status,
		ContentType: d.ContentType,
		Title:       d.Title,
		Length:      d.Length,
		StartIndex:  in.StartIndex,
	}
	if d.Image != nil {
		return &mcp.CallToolResult{Content: []mcp.Content{
			&mcp.TextContent{Text: "Contents of " + out.FinalURL + ": an image, " + strconv.Itoa(len(d.Image)) + " bytes"},
			&mcp.ImageContent{Data: d.Image, MIMEType: d.ContentType},
		}}, out
	}
	part := d.slice(in.StartIndex, in.MaxLength)
	end := in.StartIndex + utf8.RuneCountInString(part)
	if out.Truncated = end < out.Length; out.Truncated {
		out.NextIndex = &end
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: d.frame(part, out)}}}, out
}

// frame is the one place where fetched text is put between words of this
// server.
func (d *Document) frame(part string, out *output) string {
	var b strings.Builder
	if !d.Markdown {
		b.WriteString("Content type " + d.ContentType + " cannot be simplified to markdown, but here is the raw content:\n")
	}
	b.WriteString("Contents of " + out.FinalURL + ":\n")
	switch {
	case d.Text == "":
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
	case d.Truncated:
		b.WriteString("\n\n<error>The page is too large to be converted whole; the rest of it is not available.</error>")
	}
	return b.String()
}
