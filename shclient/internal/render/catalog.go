// SPDX-License-Identifier: Apache-2.0

package render

import (
	"regexp"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

// Tools draws tools with their arguments, of which * marks the required ones.
// For a pipe it writes a line for each: name, arguments and summary, separated
// by tabs. A tool whose schema cannot be read has no arguments.
func (s Screen) Tools(tools []*mcp.Tool) string {
	var b strings.Builder
	for _, tool := range tools {
		var params [][]string
		if schema, err := toolargs.Parse(tool.InputSchema); err == nil {
			for _, p := range schema.Params() {
				params = append(params, []string{marked(p.Name, p.Required), p.Type(), withChoices(p)})
			}
		}
		s.entry(&b, tool.Name, firstOf(tool.Description, tool.Title), params)
	}
	return b.String()
}

// Prompts draws prompts as [Screen.Tools] draws tools.
func (s Screen) Prompts(prompts []*mcp.Prompt) string {
	var b strings.Builder
	for _, prompt := range prompts {
		var params [][]string
		for _, p := range prompt.Arguments {
			params = append(params, []string{marked(p.Name, p.Required), Summary(firstOf(p.Description, p.Title))})
		}
		s.entry(&b, prompt.Name, firstOf(prompt.Description, prompt.Title), params)
	}
	return b.String()
}

// Resources draws a table of resources. For a pipe it writes a line for each:
// URI, name, MIME type, size in bytes and summary, separated by tabs.
func (s Screen) Resources(resources []*mcp.Resource) string {
	var rows [][]string
	for _, r := range resources {
		size := ""
		if r.Size > 0 && s.Terminal() {
			size = Size(r.Size)
		} else if r.Size > 0 {
			size = number(float64(r.Size))
		}
		rows = append(rows, []string{r.URI, r.Name, r.MIMEType, size, Summary(firstOf(r.Description, r.Title))})
	}
	return s.listing([]string{"URI", "NAME", "TYPE", "SIZE", "DESCRIPTION"}, rows)
}

// Templates draws a table of resource templates. For a pipe it writes a line
// for each: URI template, name, MIME type and summary, separated by tabs.
func (s Screen) Templates(templates []*mcp.ResourceTemplate) string {
	var rows [][]string
	for _, t := range templates {
		rows = append(rows, []string{t.URITemplate, t.Name, t.MIMEType, Summary(firstOf(t.Description, t.Title))})
	}
	return s.listing([]string{"URI TEMPLATE", "NAME", "TYPE", "DESCRIPTION"}, rows)
}

// withChoices is the summary of an argument with the values that it may have, if
// they are few.
func withChoices(p toolargs.Param) string {
	const most = 8
	description, choices := Summary(p.Description), p.Values()
	if len(choices) == 0 || len(choices) > most || p.Type() == "boolean" {
		return description
	}
	return strings.TrimSpace(description + " (" + strings.Join(choices, ", ") + ")")
}

func marked(name string, required bool) string {
	if required {
		return Line(name) + "*"
	}
	return Line(name)
}

// entry draws a name with a summary, and its arguments below.
func (s Screen) entry(b *strings.Builder, name, description string, params [][]string) {
	if !s.Terminal() {
		var names []string
		for _, p := range params {
			names = append(names, p[0])
		}
		b.WriteString(tabbed([][]string{{name, strings.Join(names, " "), Summary(description)}}))
		return
	}
	const indent = "    "
	title := []span{{Line(name), bold}}
	if description = Summary(description); description != "" {
		title = append(title, span{"  " + description, 0})
	}
	for i, line := range wrap(title, s.Width-len(indent)) {
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(s.paintAll(line) + "\n")
	}
	rows := make([][][]span, len(params))
	for i, p := range params {
		rows[i] = plainRow(p, 0)
	}
	for line := range strings.Lines(s.grid(rows, nil, s.Width-len(indent))) {
		b.WriteString(indent + line)
	}
}

// listing draws a table of what has an address in the first column and a
// description in the last, without the columns that are empty in every row. If
// the screen is too narrow for it, each row becomes a paragraph, so that
// addresses stay whole.
func (s Screen) listing(head []string, rows [][]string) string {
	if !s.Terminal() {
		return tabbed(rows)
	}
	var titles []string
	kept := make([][]string, len(rows))
	for i, title := range head {
		used := false
		for _, row := range rows {
			used = used || row[i] != ""
		}
		if !used {
			continue
		}
		titles = append(titles, title)
		for n, row := range rows {
			kept[n] = append(kept[n], row[i])
		}
	}
	if table := s.Table(titles, kept); fits(table, s.Width) && strings.Count(table, "\n") == len(rows)+1 {
		return table
	}
	var b strings.Builder
	for _, row := range rows {
		s.paragraph(&b, row)
	}
	return b.String()
}

// fits reports whether no line is wider than the screen.
func fits(drawn string, width int) bool {
	for line := range strings.Lines(drawn) {
		if Width(escapes.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")) > width {
			return false
		}
	}
	return true
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func (s Screen) paragraph(b *strings.Builder, row []string) {
	const indent = "    "
	b.WriteString(s.Bold(Line(row[0])) + "\n")
	var facts []string
	for _, cell := range row[1 : len(row)-1] {
		if cell = Line(cell); cell != "" {
			facts = append(facts, cell)
		}
	}
	for _, text := range []string{strings.Join(facts, ", "), Line(row[len(row)-1])} {
		if text == "" {
			continue
		}
		for line := range strings.SplitSeq(Wrap(text, s.Width-len(indent)), "\n") {
			b.WriteString(indent + line + "\n")
		}
	}
}
