// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// Exit statuses. Those of a client follow what users of other MCP command
// lines know.
const (
	exitOK          = 0
	exitUsage       = 1
	exitFailure     = 2
	exitAuth        = 3
	exitUnreachable = 4
	exitTool        = 5
	exitDifferent   = 6
)

// codeRejected marks errors of the SDK's own transport, which are no answers of
// a server.
const codeRejected = -32005

// failure is how an error ends the command.
type failure struct {
	code int
	text string
	hint string
}

// exitError is an error that knows its exit status.
type exitError struct {
	failure
	cause error
}

func (e *exitError) Error() string { return e.text }

func (e *exitError) Unwrap() error { return e.cause }

// usage is a mistake on the command line.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &exitError{failure: failure{
		code: exitUsage,
		text: fmt.Sprintf(format, args...),
		hint: "run " + strings.TrimSpace(cmd.CommandPath()) + " --help",
	}}
}

// at adds the target to an error, for hints that name it.
func at(t target, err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*exitError](err); known {
		return err
	}
	return &serverError{t, err}
}

// withoutQuery is a URL as it is shown: keys may hide in the query.
func withoutQuery(server string) string {
	server, _, _ = strings.Cut(server, "?")
	return server
}

type serverError struct {
	target target
	error
}

func (e *serverError) Unwrap() error { return e.error }

// explain chooses the exit status, the line and the hint for an error.
func explain(err error, interrupted bool) failure {
	if known, ok := errors.AsType[*exitError](err); ok {
		return known.failure
	}
	if interrupted {
		return failure{code: exitFailure, text: "interrupted"}
	}
	var t target
	if known, ok := errors.AsType[*serverError](err); ok {
		t = known.target
	}
	if status, ok := errors.AsType[*shclient.StatusError](err); ok {
		return explainStatus(status, t)
	}
	if auth, ok := errors.AsType[*shclient.AuthError](err); ok {
		if _, file := errors.AsType[*fs.PathError](err); file {
			return failure{code: exitFailure, text: plain(auth)}
		}
		return failure{exitAuth, plain(auth), "run shclient login " + t.String()}
	}
	if len(t.command) > 0 && (errors.Is(err, mcp.ErrConnectionClosed) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)) {
		return failure{exitUnreachable, t.String() + " has ended before it answered", "--verbose shows what it writes to stderr"}
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failure{exitUnreachable, "the certificate of " + t.String() + " is not trusted: " + plain(untrusted.Err), "name the authority that issued it with --ca-file"}
	}
	if isUnreachable(err) {
		return failure{exitUnreachable, "cannot reach " + t.String() + ": " + networkText(err), "check the URL, and that the server runs"}
	}
	if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && wire.Code != codeRejected {
		return failure{exitTool, fmt.Sprintf("the server answered with error %d: %s", wire.Code, oneLine(wire.Message)), ""}
	}
	return failure{code: exitFailure, text: plain(err)}
}

func explainStatus(e *shclient.StatusError, t target) failure {
	switch {
	case e.Status == http.StatusUnauthorized:
		return failure{exitAuth, "the server wants a login: " + e.Error(), "run shclient login " + t.String() + ", or pass a valid token with --token-file"}
	case e.Status == http.StatusForbidden:
		return failure{exitAuth, "the server denies access: " + e.Error(), ""}
	case e.Status == http.StatusProxyAuthRequired || e.Status >= 500:
		return failure{exitUnreachable, e.Error(), ""}
	}
	hint := "check the path of the URL; it often ends in /mcp"
	if isOldRefusal(e.Status) && t.looksOld() {
		hint = oldHint
	}
	return failure{exitUnreachable, "no MCP server: " + e.Error(), hint}
}

// oldHint is for servers of the transport of 2024-11-05.
const oldHint = "it may speak HTTP+SSE (2024-11-05), which this command does not: use its Streamable HTTP endpoint, often at /mcp; shclient URL and shclient raw speak both"

// isOldRefusal reports whether servers of HTTP+SSE answer so to a POST at the
// URL of their stream.
func isOldRefusal(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

// looksOld reports whether the target has a path as servers of HTTP+SSE have.
func (t target) looksOld() bool {
	u, err := url.Parse(t.url)
	return err == nil && strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/sse")
}

// isUnreachable recognizes failures of the network. Those of files, and of the
// standard streams, hold the same numbers of the system.
func isUnreachable(err error) bool {
	if _, file := errors.AsType[*fs.PathError](err); file {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	_, request := errors.AsType[*url.Error](err)
	return network || request || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// networkText is what a failed request says about the network, without the URL
// and its query.
func networkText(err error) string {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	if errors.Is(err, io.EOF) {
		return "the connection was closed before an answer came"
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return oneLine(dial.Err.Error())
	}
	return plain(err)
}

// plain is the text of an error on one line, without the package it came from.
func plain(err error) string {
	text := oneLine(err.Error())
	for _, prefix := range []string{"shclient: ", "oauthdyn: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// oneLine puts text, which may be a stranger's, on one line without what could
// control a terminal.
func oneLine(text string) string { return render.Line(text) }
