// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// The exit codes of the command.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitAuth        = 3
	exitUnreachable = 4
)

// usageError is a mistake in flags or arguments that shows only when they are
// put to use.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// hintedError is a failure for which there is advice.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// statusError ends the command with a code when all has been said on stdout.
type statusError struct{ code int }

func (e *statusError) Error() string { return "" }

// serverError is a failure of a command that is a client.
type serverError struct {
	err    error
	target string
}

func (e *serverError) Error() string { return e.err.Error() }
func (e *serverError) Unwrap() error { return e.err }

// blameServer adds what was signed in to, for hints that name it.
func blameServer(err error, target string) error {
	if err == nil {
		return nil
	}
	return &serverError{err: err, target: target}
}

// explain chooses the exit code and the hint.
func (e *serverError) explain() (code int, hint string) {
	refused, answered := errors.AsType[*oauthdyn.Error](e.err)
	switch {
	case errors.Is(e.err, oauthdyn.ErrNotSignedIn):
		return exitAuth, "oauthdyn login " + e.target
	case answered && refused.Status < 500 && refused.Status != http.StatusTooManyRequests:
		return exitAuth, ""
	case answered, isNetwork(e.err):
		return exitUnreachable, "oauthdyn doctor " + e.target + " looks closer"
	}
	return exitFailure, ""
}

// isNetwork recognizes failures of the network. Those of files hold the same
// numbers of the system.
func isNetwork(err error) bool {
	if _, file := errors.AsType[*fs.PathError](err); file {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	_, request := errors.AsType[*url.Error](err)
	return network || request || errors.Is(err, io.ErrUnexpectedEOF)
}
