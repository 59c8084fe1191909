// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// maxErrorBody is how much of an error response is read.
const maxErrorBody = 1 << 20

// StatusError is an HTTP response that is not the answer of an MCP server.
type StatusError struct {
	// Endpoint is the URL that was asked, without its query.
	Endpoint string

	// Status is the HTTP status code. It may be 200 when the content is not
	// MCP's, such as a web page.
	Status int

	// Detail says more in one line, and may be empty.
	Detail string
}

// Error names the endpoint, the status and the detail.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Endpoint, e.Status, http.StatusText(e.Status))
	text = strings.TrimRight(text, " ")
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// AuthError is a login that failed: there is no usable token, and none was
// granted.
type AuthError struct{ Err error }

// Error is the text of Err.
func (e *AuthError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *AuthError) Unwrap() error { return e.Err }

// loginTransport tells failures of the login, in base, from those of the
// network.
type loginTransport struct{ base http.RoundTripper }

func (t *loginTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil && !isNetwork(err) && req.Context().Err() == nil {
		err = &AuthError{err}
	}
	return resp, err
}

// isNetwork recognizes what net/http returns when a server cannot be reached
// or breaks off. Errors of files look alike, for they hold the same numbers of
// the system.
func isNetwork(err error) bool {
	if _, file := errors.AsType[*fs.PathError](err); file {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return network || certificate || record || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// newStatusError reads what resp says, and closes its body.
func newStatusError(endpoint string, resp *http.Response) *StatusError {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came is enough
	return &StatusError{Endpoint: endpoint, Status: resp.StatusCode, Detail: statusDetail(resp, body)}
}

func statusDetail(resp *http.Response, body []byte) string {
	switch kind := mediaType(resp.Header); {
	case resp.StatusCode < 300 && kind == "":
		return "an answer without content"
	case resp.StatusCode < 300:
		return "not an MCP answer but " + kind
	case kind == "text/plain" || kind == "application/json" && !bytes.Contains(body, []byte("\n")):
		return oneLine(string(body))
	}
	return ""
}

// oneLine cuts text of a stranger to something fit for a message.
func oneLine(text string) string {
	const limit = 200
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}

func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(h.Get("Content-Type")), ";")
		kind = strings.TrimSpace(kind)
	}
	return kind
}

// explain makes a failed request readable. The URL that net/http puts in front
// of the cause is replaced, since its query may hold a key.
func (e *endpoint) explain(err error) error {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status
	}
	if auth, ok := errors.AsType[*AuthError](err); ok {
		return auth
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: the connection was closed before an answer came (%w)", e.name(), err)
	}
	return fmt.Errorf("%s: %w", e.name(), err)
}

// localError is a failure of the bridge's own, told to the program as it is.
type localError string

func (e localError) Error() string { return string(e) }

// rpcAnswer is a JSON-RPC error that came with an HTTP error status, and
// perhaps without the id of the request.
type rpcAnswer struct{ message }

func (e *rpcAnswer) Error() string {
	var fault struct{ Message string }
	_ = json.Unmarshal(e.Message.Error.Of(e.frame), &fault) // an unreadable error has no message
	return oneLine(fault.Message)
}

// code is the error's code, or 0.
func (e *rpcAnswer) code() int {
	code, _ := jsonrpc.ErrorCode(e.frame, e.Message)
	return code
}

// rpcError returns body as a JSON-RPC error response if it is one.
func rpcError(body []byte) (jsonrpc.Message, bool) {
	m, err := jsonrpc.Scan(body)
	return m, err == nil && m.Kind == jsonrpc.Response && m.Error.Present()
}
