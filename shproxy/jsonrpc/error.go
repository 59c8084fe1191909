// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Error codes of JSON-RPC 2.0 section 5.1.
const (
	ParseError     = -32700 // the frame is not JSON
	InvalidRequest = -32600 // the frame is JSON, but no message
	MethodNotFound = -32601
	InvalidParams  = -32602
	InternalError  = -32603
)

// Error codes of MCP 2026-07-28 (basic protocol, "Error Codes"). Streamable
// HTTP sends them with status 400.
const (
	// HeaderMismatch answers a request whose HTTP headers do not say what
	// its body says (Streamable HTTP, "Server Validation").
	HeaderMismatch = -32020
	// MissingRequiredClientCapability answers a request that cannot be
	// processed for a client without the capabilities in data.
	MissingRequiredClientCapability = -32021
	// UnsupportedProtocolVersion answers a request in a protocol version
	// that the server does not speak; data lists those that it does.
	UnsupportedProtocolVersion = -32022
)

// Error is an error object of JSON-RPC, or the reason why [Scan] refused a
// frame.
type Error struct {
	Code    int
	Message string
	Offset  int // where the scan stopped; 0 if that tells nothing
}

// Error returns the text with the package's prefix.
func (e *Error) Error() string {
	if e.Offset > 0 {
		return fmt.Sprintf("jsonrpc: %s at byte %d", e.Message, e.Offset)
	}
	return "jsonrpc: " + e.Message
}

// ErrBatch is what [Scan] returns for an array. Batches exist in MCP
// 2025-03-26 alone; [Elements] takes them apart.
var ErrBatch = &Error{Code: InvalidRequest, Message: "batches are not supported; send one message at a time"}

// ErrorCode returns the code of an error response that [Scan] found in frame,
// and false if m is none or its code is no 32-bit integer. A code may be
// spelled 1e3 or -32601.0, but not in 64 bytes or more.
func ErrorCode(frame []byte, m Message) (int, bool) {
	span, ok := Lookup(frame, m.Error, "code")
	const long = 64 // bytes that no code needs
	if raw := span.Of(frame); ok && len(raw) < long {
		if n, err := strconv.ParseInt(string(raw), 10, 32); err == nil {
			return int(n), true
		}
		f, err := strconv.ParseFloat(string(raw), 64)
		if err == nil && f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 {
			return int(f), true
		}
	}
	return 0, false
}

// AppendError appends an error response to dst. id is the raw id of the
// request and may be empty when it is not known; data is raw JSON and is left
// out when empty.
func AppendError(dst, id []byte, code int, message string, data []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	if len(id) == 0 {
		dst = append(dst, "null"...)
	}
	dst = append(dst, id...)
	dst = append(dst, `,"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, message)
	if len(data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, "}}"...)
}

// AppendString appends text to dst as a JSON string. Bytes that are not
// UTF-8 become U+FFFD.
func AppendString(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[r>>4], hex[r&0xf])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
