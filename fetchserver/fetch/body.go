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
// wire, which are counted in received, so that a body of nothing but framing
// ends too.
func readBody(resp *http.Response, limit int64, truncate bool) (body []byte, received int64, err error) {
	tooLarge := &Error{Code: CodeTooLarge, Detail: "the response is larger than " + strconv.FormatInt(limit, 10) + " bytes"}
	if resp.ContentLength > limit && !truncate && resp.Request.Method != http.MethodHead {
		return nil, 0, tooLarge
	}
	source := &capReader{r: resp.Body, left: limit, err: tooLarge}
	defer func() { received = source.n }()
	wire := bufio.NewReader(source)
	if _, err := wire.Peek(1); err == io.EOF {
		return nil, 0, nil // no content, whatever its coding
	}
	decoded, err := decoder(wire, resp.Header)
	if err != nil {
		return nil, 0, explainBody(source, err)
	}
	defer decoded.Close()
	chunks, err := readChunks(&capReader{r: decoded, left: limit, err: tooLarge}, resp.ContentLength)
	if err != nil {
		if err = explainBody(source, err); !truncate || err != error(tooLarge) {
			return nil, 0, err
		}
	}
	if len(chunks) == 1 {
		return chunks[0], 0, nil
	}
	return bytes.Join(chunks, nil), 0, nil
}

const minChunk, maxChunk = 16 << 10, 1 << 20

// readChunks reads r to its end; with an error it returns what came before.
// Chunks that are joined in the end cost less than larger and larger buffers,
// and a bomb no more than the cap. expected is a hint that may be a lie.
func readChunks(r *capReader, expected int64) ([][]byte, error) {
	size := minChunk
	if expected > 0 {
		size = int(min(expected, maxChunk)) + 1 // room to see the end
	}
	var chunks [][]byte
	for {
		chunk := make([]byte, size)
		n, err := io.ReadFull(r, chunk)
		chunks = append(chunks, chunk[:n])
		switch {
		case err == nil:
			size = min(2*size, maxChunk)
		case r.failed != nil: // ReadFull may have made an end of it
			return chunks, r.failed
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return chunks, nil
		default:
			return chunks, err
		}
	}
}

// explainBody tells an error of the connection from one of the decoder.
func explainBody(source *capReader, err error) error {
	if own := (*Error)(nil); source.failed != nil || errors.As(err, &own) {
		return cmp.Or(source.failed, err)
	}
	detail := "the content coding of the response is broken"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		detail = "the compressed response ends too early"
	}
	return &Error{Code: CodeEncoding, Detail: detail, Err: err}
}

// decoder undoes one content coding. Several codings on top of each other have
// no honest use and multiply the work, so they are refused.
func decoder(r io.Reader, h http.Header) (io.ReadCloser, error) {
	coding := ""
	for name := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "" || name == "identity":
		case coding == "":
			coding = name
		default:
			return nil, &Error{Code: CodeEncoding, Detail: "the response has several content codings on top of each other, which is not supported"}
		}
	}
	switch coding {
	case "":
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
	return nil, &Error{Code: CodeEncoding, Detail: "the content coding " + strconv.QuoteToGraphic(coding[:min(len(coding), 40)]) + " is not supported"}
}

// capReader fails with err once more than left bytes were read.
type capReader struct {
	r    io.Reader
	left int64
	err  error

	n      int64 // bytes read
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
	c.n += int64(max(n, 0))
	if err != nil && err != io.EOF && c.failed == nil {
		c.failed = err
	}
	return n, err
}
