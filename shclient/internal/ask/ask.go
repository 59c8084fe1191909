// SPDX-License-Identifier: Apache-2.0

// Package ask puts to a person what servers ask of their clients: the forms and
// addresses of elicitation, and what a model would say (sampling).
//
// The texts of a server are shown as its own, without what could control the
// terminal. A person can decline, or cancel, at every step, and sees what will
// be sent before it is.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// ReadLine shows a prompt and returns the line that a person enters, without
// its line break. io.EOF means that they enter no more.
type ReadLine func(ctx context.Context, prompt string) (string, error)

// An Asker puts one question after the other. It is safe for concurrent use.
type Asker struct {
	// Server is what asks, for a person to know.
	Server string

	// ReadLine gets the answers. Nil means that nobody is there: everything is
	// declined, with a note on Out.
	ReadLine ReadLine

	// Out shows the questions, on Screen.
	Out    io.Writer
	Screen render.Screen

	// Open opens an address in a browser.
	Open func(ctx context.Context, address string) error

	mu sync.Mutex // held while a question is asked
}

// The words that end a form.
const (
	wordDecline = "/decline"
	wordCancel  = "/cancel"
)

// The actions of an answer (MCP, elicitation, "Response Actions").
const (
	accept  = "accept"
	decline = "decline"
	cancel  = "cancel"
)

// ended is the action of a person who will not answer.
type ended string

func (e ended) Error() string { return string(e) }

// Elicit asks a person for what a server wants to know. The error is that of ctx.
func (a *Asker) Elicit(ctx context.Context, params *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ReadLine == nil {
		a.print("%s asks: %s\n  declined, since nobody is at the terminal\n", a.server(), render.Line(params.Message))
		return &mcp.ElicitResult{Action: decline}, nil
	}
	var content map[string]any
	var err error
	if params.Mode == "url" || params.Mode == "" && params.URL != "" {
		err = a.address(ctx, params)
	} else {
		content, err = a.form(ctx, params)
	}
	if word, ok := errors.AsType[ended](err); ok {
		return &mcp.ElicitResult{Action: string(word)}, nil
	}
	if err != nil {
		return nil, err
	}
	return &mcp.ElicitResult{Action: accept, Content: content}, nil
}

func (a *Asker) server() string {
	if a.Server == "" {
		return "The server"
	}
	return render.Line(a.Server)
}

func (a *Asker) print(format string, args ...any) {
	fmt.Fprintf(a.Out, format, args...) // whoever cannot see the question does not answer
}

// paragraph shows text of the server, set off from ours.
func (a *Asker) paragraph(text string) {
	const indent = "  "
	text = render.Wrap(strings.TrimSpace(render.Safe(text)), max(a.Screen.Width-len(indent), 0))
	a.print("%s\n\n", indent+strings.ReplaceAll(text, "\n", "\n"+indent))
}

// line reads what a person enters. The words that end a form are errors.
func (a *Asker) line(ctx context.Context, prompt string) (string, error) {
	text, err := a.ReadLine(ctx, prompt)
	if errors.Is(err, io.EOF) {
		a.print("\n")
		return "", ended(cancel)
	}
	if err != nil {
		return "", err
	}
	switch strings.TrimSpace(text) {
	case wordDecline:
		return "", ended(decline)
	case wordCancel:
		return "", ended(cancel)
	}
	return text, nil
}

// choose asks until a person enters the first letter of one of the choices; an
// empty line is the first of them.
func (a *Asker) choose(ctx context.Context, prompt string, choices ...string) (string, error) {
	for {
		text, err := a.line(ctx, prompt)
		if err != nil {
			return "", err
		}
		text = strings.ToLower(strings.TrimSpace(text))
		if text == "" {
			return choices[0], nil
		}
		for _, choice := range choices {
			if strings.HasPrefix(choice, text) {
				return choice, nil
			}
		}
	}
}

// address asks whether to open an address (MCP 2025-11-25, elicitation, "URL
// Mode"). Nothing is fetched before that.
func (a *Asker) address(ctx context.Context, params *mcp.ElicitParams) error {
	a.print("%s wants you to open an address in your browser:\n\n", a.Screen.Bold(a.server()))
	a.paragraph(params.Message)
	a.print("  %s\n\n", render.Line(params.URL))
	answer, err := a.choose(ctx, "Open it? [n]o, [y]es, [c]ancel: ", "no", "yes", cancel)
	switch {
	case err != nil:
		return err
	case answer == "no":
		return ended(decline)
	case answer == cancel:
		return ended(cancel)
	}
	if err := a.Open(ctx, params.URL); err != nil {
		a.print("Cannot open it: %s\n", render.Line(err.Error()))
		return ended(cancel)
	}
	return nil
}
