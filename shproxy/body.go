// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/session"
)

const (
	bodyTimeout   = time.Minute // to send one message
	trustedLength = 64 << 10    // bytes to make room for at once
)

// readBody reads the request's body into f. Memory is taken as the bytes
// come, not as the request announces them.
func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request, f *session.Frame) *problem {
	// The deadline holds until the body has ended, since net/http reads on
	// when a part of it was refused.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	if !isJSON(r.Header) {
		return fail(http.StatusUnsupportedMediaType, codeTransport, "Content-Type must be application/json")
	}
	limit := p.opts.MaxMessageBytes
	if r.ContentLength > int64(limit) {
		return tooLarge(limit)
	}
	room := 512
	if r.ContentLength > 0 {
		room = int(min(r.ContentLength, trustedLength)) + 1 // one more byte to meet the end in
	}
	for {
		f.Data = slices.Grow(f.Data, room)
		n, err := r.Body.Read(f.Data[len(f.Data):cap(f.Data)])
		f.Data = f.Data[:len(f.Data)+n]
		switch {
		case len(f.Data) > limit:
			return tooLarge(limit)
		case err == io.EOF:
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
			return nil
		case err != nil:
			return fail(http.StatusBadRequest, codeTransport, "the body could not be read to its end")
		}
		room = 1
		if len(f.Data) == cap(f.Data) {
			room = len(f.Data)
		}
	}
}

func tooLarge(limit int) *problem {
	return fail(http.StatusRequestEntityTooLarge, codeTransport, "the message has more than %d bytes", limit)
}

// isJSON reports whether the Content-Type is application/json.
func isJSON(h http.Header) bool {
	v := h["Content-Type"]
	if len(v) == 0 {
		return false
	}
	if v[0] == contentTypeJSON[0] {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(v[0])
	return err == nil && mediaType == contentTypeJSON[0]
}
