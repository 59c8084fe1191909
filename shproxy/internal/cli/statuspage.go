// SPDX-License-Identifier: Apache-2.0

package cli

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
	"github.com/atrawog/mcp-oauth-gateway/shproxy"
)

var (
	//go:embed statuspage.html
	statusHTML string
	// Most commands never show the page, so it is parsed when it is needed.
	statusTemplate = sync.OnceValue(func() *template.Template {
		return service.NewStatusTemplate("shproxy", template.FuncMap{
			"bytes":    showBytes,
			"duration": showSeconds,
			"clean":    clean,
			"failures": failures,
		}, statusHTML)
	})
)

// statusPage writes the report for people.
func statusPage(w http.ResponseWriter, r report, refresh bool) {
	service.WriteStatusPage(w, statusTemplate(), struct {
		report
		Refresh bool
	}{r, refresh})
}

// showBytes writes a number of bytes with its unit.
func showBytes(n int64) string {
	value, unit := float64(n), 0
	for value >= 999.5 && unit < 4 {
		value /= 1000
		unit++
	}
	return short(value) + " " + [...]string{"B", "kB", "MB", "GB", "TB"}[unit]
}

// showSeconds writes a duration with the unit that fits.
func showSeconds(s float64) string {
	switch {
	case s >= 0.9995:
		return short(s) + " s"
	case s >= 0.0009995:
		return short(1e3*s) + " ms"
	}
	return short(1e6*s) + " µs"
}

// short writes a number below 1000 with three digits at most.
func short(value float64) string {
	decimals := 0
	switch {
	case value < 9.995:
		decimals = 2
	case value < 99.95:
		decimals = 1
	}
	text := fmt.Sprintf("%.*f", decimals, value)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// outcome is how many calls ended in a way.
type outcome struct {
	Name  string
	Count int64
}

// failures lists the ways, other than success, in which calls have ended.
func failures(m shproxy.MethodStatus) []outcome {
	var all []outcome
	for _, name := range []string{"tool_error", "error", "crashed", "timed_out", "cancelled", "gone", "refused"} {
		if n := m.Outcomes[name]; n > 0 {
			all = append(all, outcome{strings.ReplaceAll(name, "_", " "), n})
		}
	}
	return all
}

// maxShownLine bounds a line of a server's on the page, in bytes.
const maxShownLine = 2000

// terminalCodes are the escape sequences with which programs colour their
// output (ECMA-48 control sequences, and operating system commands).
var terminalCodes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\))")
})

// clean makes a line of a server's fit to be shown: cut, and without terminal
// codes and characters that are invisible or reorder what stands around them.
func clean(line string) string {
	tail := ""
	if len(line) > maxShownLine {
		line, tail = strings.ToValidUTF8(line[:maxShownLine], ""), " …"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case r == '\t':
			return ' '
		}
		return -1
	}, terminalCodes().ReplaceAllString(line, "")) + tail
}
