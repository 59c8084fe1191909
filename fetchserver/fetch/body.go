// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const acceptEncoding = "gzip, br, zstd"

// maxWindow is the largest zstd window a decoder of the content coding has to
// accept (RFC 9659 section 3).
const maxWindow = 8 << 20

// readBody reads and decodes a body of at most limit bytes; a larger one is an
// error unless it is to be truncated. The cap also holds for the bytes on the
// wire, so that a body of nothing but framing ends too.
func readBody(resp *http.Response, limit int64, truncate bool) ([]byte, error) {
	tooLarge := &Error{Code: CodeTooLarge, Detail: "the response is larger than " + strconv.FormatInt(limit, 10) + " bytes"}
	if resp.ContentLength > limit && !truncate {
		return nil, tooLarge
	}
	source := &capReader{r: resp.Body, left: limit, err: tooLarge}
	wire := bufio.NewReader(source)
	if _, err := wire.Peek(1); err == io.EOF {
		return nil, nil // no content, whatever its coding
	}
	// An error that did not come from the connection came from the decoder.
	explain := func(err error) error {
		if own := (*Error)(nil); source.failed != nil || errors.As(err, &own) {
			return cmp.Or(source.failed, err)
		}
		return &Error{Code: CodeEncoding, Detail: "the content coding of the response is broken", Err: err}
	}
	decoded, err := decoder(wire, resp.Header)
	if err != nil {
		return nil, explain(err)
	}
	defer decoded.Close()
	var body bytes.Buffer
	if resp.ContentLength > 0 {
		body.Grow(int(min(resp.ContentLength, limit)) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(&capReader{r: decoded, left: limit, err: tooLarge}); err != nil {
		if err = explain(err); !truncate || err != error(tooLarge) {
			return nil, err
		}
	}
	return body.Bytes(), nil
}

// decoder undoes one content coding. Several codings on top of each other have
// no honest use and multiply the work, so they are refused.
func decoder(r io.Reader, h http.Header) (io.ReadCloser, error) {
	coding := strings.ToLower(strings.TrimSpace(strings.Join(h.Values("Content-Encoding"), ",")))
	switch coding {
	case "", "identity":
		return io.NopCloser(r), nil
	case "gzip", "x-gzip":
		return gzip.NewReader(r)
	case "br":
		return io.NopCloser(brotli.NewReader(r)), nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	if len(coding) > 40 {
		coding = coding[:40]
	}
	return nil, &Error{Code: CodeEncoding, Detail: "the content coding " + strconv.Quote(coding) + " is not supported"}
}

// capReader fails with err once more than left bytes were read.
type capReader struct {
	r    io.Reader
	left int64
	err  error

	failed error // the first error but io.EOF
}

func (c *capReader) Read(p []byte) (int, error) {
	if int64(len(p))-1 > c.left {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if c.left < 0 { // keep what fits, so that a body can be cut
		n, err, c.left = n-1, c.err, 0
	}
	if err != nil && err != io.EOF && c.failed == nil {
		c.failed = err
	}
	return n, err
}
