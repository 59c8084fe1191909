// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"context"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// form asks for one field after the other, shows the answers, and asks whether
// to send them.
func (a *Asker) form(ctx context.Context, params *mcp.ElicitParams) (map[string]any, error) {
	fields, err := parseFields(params.RequestedSchema)
	if err != nil {
		return nil, err
	}
	a.print("%s asks:\n\n", a.Screen.Bold(a.server()))
	a.paragraph(params.Message)
	if len(fields) > 0 {
		a.print("%s\n", a.Screen.Dim(wordDecline+" or "+wordCancel+" instead of an answer ends the form."))
	}
	answers := make(map[string]any)
	for {
		for _, f := range fields {
			if err := a.field(ctx, f, answers); err != nil {
				return nil, err
			}
		}
		a.review(fields, answers)
		answer, err := a.choose(ctx, "Send this? [y]es, [e]dit, [d]ecline, [c]ancel: ", "yes", "edit", decline, cancel)
		switch {
		case err != nil:
			return nil, err
		case answer == "yes":
			return answers, nil
		case answer != "edit":
			return nil, ended(answer)
		}
	}
}

// field asks for one field until the answer fits. An empty line leaves the
// former answer, or the default, or nothing if the field is optional.
func (a *Asker) field(ctx context.Context, f field, answers map[string]any) error {
	a.print("\n%s\n", a.title(f))
	if f.description != "" {
		a.print("%s\n", render.Wrap(f.description, a.Screen.Width))
	}
	for i, o := range f.options {
		a.print("  %2d) %s\n", i+1, o.shown())
	}
	former, has := answers[f.name]
	if !has {
		former, has = f.fallback, f.fallback != nil
	}
	prompt := "> "
	if has {
		prompt = "[" + render.Clip(f.show(former), 40) + "] > "
	}
	for {
		text, err := a.line(ctx, prompt)
		if err != nil {
			return err
		}
		if strings.TrimSpace(text) == "" {
			switch {
			case has:
				answers[f.name] = former
				return nil
			case !f.required:
				return nil
			}
			a.print("An answer is required.\n")
			continue
		}
		value, err := f.parse(text)
		if err == nil {
			answers[f.name] = value
			return nil
		}
		a.print("That does not fit: %s.\n", render.Line(err.Error()))
	}
}

func (a *Asker) title(f field) string {
	notes := []string{f.kindName()}
	if !f.required {
		notes = append(notes, "optional")
	}
	return a.Screen.Bold(f.label()) + " " + a.Screen.Dim("("+strings.Join(notes, ", ")+")")
}

func (a *Asker) review(fields []field, answers map[string]any) {
	var rows [][]string
	for _, f := range fields {
		if value, ok := answers[f.name]; ok {
			rows = append(rows, []string{"  " + f.label(), f.show(value)})
		}
	}
	a.print("\n")
	if len(rows) == 0 {
		return
	}
	a.print("Your answers:\n")
	for line := range strings.Lines(a.tableScreen().Table(nil, rows)) {
		a.print("  %s", line)
	}
}

// tableScreen is a screen for a table that is indented.
func (a *Asker) tableScreen() render.Screen {
	s := a.Screen
	if s.Width = s.Width - 2; s.Width < 10 {
		s.Width = 78
	}
	return s
}
