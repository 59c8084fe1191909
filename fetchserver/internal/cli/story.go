// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// A story is how explain tells of a way: while it goes on, and at its end.
type story interface {
	decided(decision)
	ended(*ending) error
}

// lines tells programs: a JSON object on each line.
type lines struct {
	w   io.Writer
	err error
}

func (l *lines) write(value any) {
	e := json.NewEncoder(l.w)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *lines) decided(d decision) {
	line := struct {
		Milliseconds float64    `json:"ms"`
		Stage        string     `json:"stage"`
		URL          string     `json:"url,omitempty"`
		Detail       string     `json:"detail"`
		Error        string     `json:"error,omitempty"`
		Code         fetch.Code `json:"code,omitempty"`
	}{Milliseconds: float64(d.at.Microseconds()) / 1000, Stage: d.Stage, URL: d.URL, Detail: d.Detail}
	if d.Err != nil {
		line.Error = oneLine(plain(d.Err))
		if e, ok := errors.AsType[*fetch.Error](d.Err); ok {
			line.Code = e.Code
		}
	}
	l.write(line)
}

func (l *lines) ended(e *ending) error {
	line := map[string]any{
		"ms": float64(e.at.Microseconds()) / 1000, "stage": "end", "outcome": e.outcome.Result,
		"received_bytes": e.outcome.Received, "decoded_bytes": e.outcome.Decoded, "cache": e.outcome.Cache,
		"waited_ms": float64(e.outcome.Waited.Microseconds()) / 1000,
	}
	if d := e.document; d != nil {
		line["url"], line["status"], line["content_type"], line["length"] = withoutSecrets(d.URL.String()), d.Status, d.ContentType, d.Length
		line["title"], line["robots"], line["notes"], line["truncated"] = d.Title, d.Robots, append([]string{}, d.Notes...), d.Truncated
	} else {
		line["stopped_at"], line["error"] = e.stage, e.told
		if e.outcome.Reason != "" {
			line["code"] = e.outcome.Reason
		}
	}
	if e.advice != "" {
		line["advice"] = e.advice
	}
	l.write(line)
	return l.err
}

// prose tells people: aligned, in lines of a width.
type prose struct {
	w     io.Writer
	width int
	color bool
	url   string // of the decision before
	why   string // the error of the decision before
	err   error
}

const (
	bold, red, green, dim = "1", "31", "32", "2"

	// margin is where the details begin: after the time and the stage.
	margin = 22
)

func (p *prose) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *prose) print(text string) {
	if _, err := io.WriteString(p.w, text+"\n"); err != nil && p.err == nil {
		p.err = err
	}
}

// about begins what there is to tell of a URL.
func (p *prose) about(url string) {
	p.url = url
	p.print(p.paint(bold, safe(url)))
}

func (p *prose) decided(d decision) {
	if d.URL != "" && d.URL != p.url {
		p.about(d.URL)
	}
	detail, why := safe(oneLine(d.Detail)), ""
	if d.Err != nil {
		if why = safe(plain(d.Err)); why != p.why && !strings.Contains(detail, why) {
			detail += ": " + why
		}
	}
	p.why = why
	stage := fmt.Sprintf("%-9s", d.Stage)
	if d.Err != nil {
		stage = p.paint(red, stage)
	}
	rows := wrap(detail, p.width-margin)
	p.print(p.paint(dim, fmt.Sprintf("%10s", milliseconds(d.at))) + "  " + stage + " " + rows[0])
	for _, row := range rows[1:] {
		p.print(strings.Repeat(" ", margin) + row)
	}
}

func (p *prose) ended(e *ending) error {
	p.print("")
	if e.document == nil {
		where := ""
		if e.stage != "" {
			where = " at " + e.stage
		}
		p.print(p.paint(red, fmt.Sprintf("Not fetched: it ended%s after %s.", where, milliseconds(e.at))))
		for text := range strings.SplitSeq(safe(e.told), "\n") {
			for _, row := range wrap(text, p.width-2) {
				p.print("  " + row)
			}
		}
		p.advise(e.advice)
		return p.err
	}
	p.print(p.paint(green, fmt.Sprintf("Fetched after %s.", milliseconds(e.at))))
	for _, fact := range e.facts() {
		if fact[1] == "" {
			continue
		}
		for i, row := range wrap(safe(oneLine(fact[1])), p.width-14) {
			name := fact[0]
			if i > 0 {
				name = ""
			}
			p.print(fmt.Sprintf("  %-11s %s", name, row))
		}
	}
	p.advise(e.advice)
	return p.err
}

func (p *prose) advise(advice string) {
	if advice == "" {
		return
	}
	for i, row := range wrap(advice, p.width-6) {
		p.print([]string{"hint: ", "      "}[min(i, 1)] + row)
	}
}

// wrap cuts text into lines of at most a width, between words if it can.
func wrap(text string, width int) (rows []string) {
	row := ""
	for word := range strings.FieldsSeq(text) {
		for utf8.RuneCountInString(word) > width {
			if row != "" {
				rows, row = append(rows, row), ""
			}
			head := string([]rune(word)[:width])
			rows, word = append(rows, head), strings.TrimPrefix(word, head)
		}
		switch {
		case row == "":
			row = word
		case utf8.RuneCountInString(row)+1+utf8.RuneCountInString(word) > width:
			rows, row = append(rows, row), word
		default:
			row += " " + word
		}
	}
	return append(rows, row)
}
