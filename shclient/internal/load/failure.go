// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Class is who is to blame for a call that failed.
type Class string

// The classes.
const (
	ClassTool        Class = "tool"        // a result with isError
	ClassServer      Class = "server"      // an error, a strange answer, or none in time
	ClassAuth        Class = "auth"        // 401 or 403
	ClassUnreachable Class = "unreachable" // no connection, or a broken one
)

// A Failure is a call without the result that it was made for.
type Failure struct {
	Class  Class
	Kind   string // what is counted, such as "HTTP 503"
	Text   string // what it said this time, on one line; may be empty
	Status int    // of HTTP, if that is the failure
}

// Error is the kind and the text.
func (f *Failure) Error() string {
	if f.Text == "" {
		return f.Kind
	}
	return f.Kind + ": " + f.Text
}

// IsNoMCP reports whether the answer was none of an MCP server.
func (f *Failure) IsNoMCP() bool { return f.Kind == badAnswerKind }

// maxText is how many characters of a stranger's text are kept.
const maxText = 200

// oneLine makes a stranger's text fit for a table.
func oneLine(text string) string {
	if len(text) > 4*maxText {
		text = text[:4*maxText]
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r)
	}), " ")
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText]) + "…"
	}
	return text
}

// errInterrupted is a call that the end of the run cut off. It does not count.
var errInterrupted = errors.New("interrupted")

const badAnswerKind = "bad answer"

func badAnswer(format string, args ...any) error {
	return &Failure{Class: ClassServer, Kind: badAnswerKind, Text: oneLine(fmt.Sprintf(format, args...))}
}

// statusFailure is an HTTP response that carries no answer.
func statusFailure(status int, body []byte) error {
	class := ClassServer
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		class = ClassAuth
	}
	return &Failure{Class: class, Kind: fmt.Sprintf("HTTP %d", status), Text: oneLine(string(body)), Status: status}
}

// failureOf tells what an error of the connection means.
func failureOf(err error) *Failure {
	if known, ok := errors.AsType[*Failure](err); ok {
		return known
	}
	text := oneLine(err.Error())
	var dial *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &Failure{Class: ClassServer, Kind: "timeout"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Failure{Class: ClassUnreachable, Kind: "connection refused"}
	case errors.As(err, &dial) && dial.Op == "dial":
		return &Failure{Class: ClassUnreachable, Kind: "no connection", Text: text}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return &Failure{Class: ClassUnreachable, Kind: "connection closed"}
	}
	return &Failure{Class: ClassUnreachable, Kind: "connection", Text: text}
}
