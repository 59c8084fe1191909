// SPDX-License-Identifier: Apache-2.0

package pdf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// Convert is Text as a [fetchserver.Converter], for the media types
// application/pdf and application/x-pdf. Pages without text get a note; errors
// about the file also say what a model can do.
func (r *Reader) Convert(ctx context.Context, resp *fetch.Response) (*fetchserver.Content, error) {
	d, err := r.Text(ctx, resp.Body)
	if err != nil {
		return nil, advise(err)
	}
	c := &fetchserver.Content{
		Metadata:  extract.Metadata{Title: d.Title, Byline: d.Author},
		Text:      d.Text,
		Markdown:  true, // as far as a PDF file tells
		Truncated: d.Truncated,
	}
	if !d.Created.IsZero() {
		c.Metadata.Published = d.Created.Format(time.RFC3339)
	}
	switch {
	case d.Empty > 0 && d.Text == "":
		c.Notes = append(c.Notes, fmt.Sprintf("The PDF has %d pages without any text, so it is probably scanned; this server does not recognise text in pictures.", d.Pages))
	case d.Empty > 0:
		c.Notes = append(c.Notes, fmt.Sprintf("%d of the %d pages of the PDF have no text; they may be pictures or scanned.", d.Empty, d.Pages))
	}
	return c, nil
}

// advisedError is an error about a file in the words of Convert.
type advisedError struct {
	text  string
	cause error
}

func (e *advisedError) Error() string { return e.text }
func (e *advisedError) Unwrap() error { return e.cause }

func advise(err error) error {
	switch {
	case errors.Is(err, ErrEncrypted):
		return &advisedError{"the PDF is encrypted and needs a password; look for another version of it", err}
	case errors.Is(err, ErrTooComplex):
		return &advisedError{"the PDF is too large or too complex to be read; look for a smaller version of it", err}
	case errors.Is(err, ErrBroken):
		return &advisedError{"the PDF is damaged and cannot be read; look for another version of it", err}
	}
	return err
}
