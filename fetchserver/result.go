// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// describe returns the structured content for a slice of the document.
func (d *Document) describe(url string, start, length int) *output {
	out := &output{
		URL:         url,
		FinalURL:    d.URL.String(),
		Status:      d.Status,
		ContentType: d.ContentType,
		Title:       d.Title,
		Byline:      d.Byline,
		Site:        d.Site,
		Published:   d.Published,
		Lang:        d.Lang,
		Description: d.Description,
		Length:      d.Length,
		StartIndex:  start,
		ETag:        d.ETag,
		Robots:      string(d.Robots),
		Notes:       append([]string{}, d.Notes...), // not null
	}
	if start < d.Length && length < d.Length-start { // a sum could overflow
		end := start + length
		out.Truncated, out.NextIndex = true, &end
	}
	return out
}

// content returns the content blocks for the slice that out describes.
func (s *Server) content(d *Document, out *output, length int) []mcp.Content {
	switch {
	case d.Image != nil:
		return []mcp.Content{
			&mcp.TextContent{Text: "Contents of " + out.FinalURL + ": an image, " + strconv.Itoa(len(d.Image)) + " bytes"},
			&mcp.ImageContent{Data: d.Image, MIMEType: d.ContentType},
		}
	case d.Link != nil:
		size := d.Link.Size
		return []mcp.Content{
			&mcp.TextContent{Text: "Contents of " + out.FinalURL + ": " + d.ContentType + ", " + strconv.FormatInt(size, 10) +
				" bytes, too large to be returned here; the link leads to it."},
			&mcp.ResourceLink{URI: out.FinalURL, Name: d.Link.Name, MIMEType: d.ContentType, Size: &size},
		}
	}
	return []mcp.Content{&mcp.TextContent{Text: s.text(d, out, d.slice(out.StartIndex, length))}}
}

// text is what a model reads of a slice. The words around it are those that
// users of mcp-server-fetch have in their prompts.
func (s *Server) text(d *Document, out *output, part string) string {
	var b strings.Builder
	if !d.Markdown {
		b.WriteString("Content type " + d.ContentType + " cannot be simplified to markdown, but here is the raw content:\n")
	}
	b.WriteString("Contents of " + out.FinalURL + ":\n")
	switch {
	case d.Text == "":
		b.WriteString("<error>The page contains no text.</error>")
	case part == "":
		b.WriteString("<error>No more content available.</error>")
	default:
		frame(&b, s.boundary(d), part)
	}
	switch {
	case out.Truncated:
		next := strconv.Itoa(*out.NextIndex)
		b.WriteString("\n\n<error>Content truncated. Call the fetch tool with a start_index of " + next + " to get more content.</error>")
	case d.Truncated:
		b.WriteString("\n\n<error>The resource is too large to be converted whole; the rest of it is not available.</error>")
	}
	for _, note := range d.Notes {
		b.WriteString("\n\nNote: " + note)
	}
	return b.String()
}
