// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"io"
	"mime"
	"net/http"
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
		f.Data = grow(f.Data, room)
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
			room = min(3*len(f.Data), limit+1-len(f.Data))
			if rest := int(r.ContentLength) - len(f.Data); rest >= 0 && rest < room {
				room = rest + 1
			}
		}
	}
}

// grow makes room for n more bytes, and for no more than that: what append
// takes in reserve is much of a large message.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, len(b)+n), b...)
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
