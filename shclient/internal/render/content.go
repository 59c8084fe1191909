// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Content draws one piece of content, with a line break at its end. What
// cannot be shown is named. For a pipe, text is as the server wrote it.
func (s Screen) Content(content mcp.Content) string {
	switch c := content.(type) {
	case *mcp.TextContent:
		return s.Text(c.Text, "")
	case *mcp.ImageContent:
		if shown, err := s.Image(c.Data); err == nil {
			return shown
		}
		return s.note("image", c.MIMEType, len(c.Data))
	case *mcp.AudioContent:
		return s.note("audio", c.MIMEType, len(c.Data))
	case *mcp.ResourceLink:
		return s.link(c)
	case *mcp.EmbeddedResource:
		if c.Resource == nil {
			return s.Dim("[resource]") + "\n"
		}
		return s.Resource(c.Resource)
	}
	return s.Dim(fmt.Sprintf("[%T]", content)) + "\n"
}

// Resource draws the contents of a resource.
func (s Screen) Resource(r *mcp.ResourceContents) string {
	if r.Blob == nil {
		return s.Text(r.Text, r.MIMEType)
	}
	if shown, err := s.Image(r.Blob); err == nil {
		return shown
	}
	return s.note("resource "+Line(r.URI), r.MIMEType, len(r.Blob))
}

// Text draws text of a MIME type, which is empty if it is unknown: JSON with
// indentation, Markdown as such, and the rest as lines.
func (s Screen) Text(text, mime string) string {
	if !s.Terminal() {
		return endLine(text)
	}
	mime, _, _ = strings.Cut(mime, ";")
	switch {
	case mime == "" && isJSON(text), strings.HasSuffix(mime, "json"):
		return s.JSON([]byte(text))
	case mime == "", mime == "text/markdown":
		return s.Markdown(text)
	}
	return Wrap(endLine(Safe(text)), s.Width)
}

func isJSON(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && (text[0] == '{' || text[0] == '[') && json.Valid([]byte(text))
}

// JSON draws a JSON document with indentation; what is none comes as it is.
func (s Screen) JSON(doc []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(doc), "", "  ") == nil {
		doc = b.Bytes()
	}
	return endLine(Safe(string(doc)))
}

func (s Screen) note(kind, mime string, size int) string {
	text := kind
	if mime = Line(mime); mime != "" {
		text += " " + mime
	}
	return s.Dim(fmt.Sprintf("[%s, %d bytes]", text, size)) + "\n"
}

func (s Screen) link(c *mcp.ResourceLink) string {
	text := s.Dim(fmt.Sprintf("[link %s]", Line(c.URI)))
	if label := Line(firstOf(c.Title, c.Description)); s.Terminal() && label != "" {
		text += " " + label
	}
	return text + "\n"
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// Pictured reports whether content may be an image that [Screen.Content] shows.
func Pictured(content mcp.Content) bool {
	switch c := content.(type) {
	case *mcp.ImageContent:
		return true
	case *mcp.EmbeddedResource:
		return c.Resource != nil && c.Resource.Blob != nil
	}
	return false
}
