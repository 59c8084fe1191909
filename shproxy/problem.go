// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Error codes that the MCP SDKs use for refusals by the transport.
const (
	codeTransport = -32000
	codeNoSession = -32001
)

// problem is a request that the proxy refuses: an HTTP status together with
// a JSON-RPC error.
type problem struct {
	status int
	code   int
	text   string
	data   []byte // raw JSON

	retry time.Duration // after which another try is worth it; 0: soon
}

func fail(status, code int, format string, args ...any) *problem {
	return &problem{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

// refusal makes the problem of a server, which answers a call with success, an
// answer to what is no call.
func (p *problem) refusal() *problem {
	if p.status == http.StatusOK {
		p.status = http.StatusServiceUnavailable
	}
	return p
}

// write answers with the problem; id is the raw id of the request, if known.
func (p *problem) write(w http.ResponseWriter, id []byte) {
	f := session.NewFrame()
	defer f.Release()
	f.Data = jsonrpc.AppendError(f.Data, id, p.code, p.text, p.data)
	if p.status == http.StatusServiceUnavailable || p.status == http.StatusTooManyRequests {
		seconds := cmp.Or((p.retry+time.Second-1)/time.Second, 5)
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	writeJSON(w, p.status, f.Data)
}

var contentTypeJSON = []string{"application/json"}

// writeJSON writes a whole response at once.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentTypeJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
