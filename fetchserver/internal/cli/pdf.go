// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/pdf"
)

// readPDF makes a server with these options read PDF files. The caller ends
// it when the server has ended.
func readPDF(o *fetchserver.Options) (end func()) {
	r := pdf.New(&pdf.Options{CacheDir: cacheDir("pdf")})
	if o.Converters == nil {
		o.Converters = make(map[string]fetchserver.Converter)
	}
	c := convertPDF(r)
	o.Converters["application/pdf"] = c
	o.Converters["application/x-pdf"] = c
	return r.Close
}

// cacheDir returns the directory for what can be made again, or "" if the user
// has none that can be written to.
func cacheDir(name string) string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir := filepath.Join(base, "mcp-oauth-gateway", "fetchserver", name)
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	probe, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return ""
	}
	_ = probe.Close() // empty
	if os.Remove(probe.Name()) != nil {
		return ""
	}
	return dir
}

func convertPDF(r *pdf.Reader) fetchserver.Converter {
	return func(ctx context.Context, resp *fetch.Response) (*fetchserver.Content, error) {
		d, err := r.Text(ctx, resp.Body)
		switch {
		case errors.Is(err, pdf.ErrBroken), errors.Is(err, pdf.ErrEncrypted), errors.Is(err, pdf.ErrTooComplex):
			return nil, explainPDF(err)
		case err != nil:
			return nil, err
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
}

func explainPDF(err error) error {
	switch {
	case errors.Is(err, pdf.ErrEncrypted):
		return errors.New("the PDF is encrypted and needs a password; look for another version of it")
	case errors.Is(err, pdf.ErrTooComplex):
		return errors.New("the PDF is too large or too complex to be read; look for a smaller version of it")
	}
	return errors.New("the PDF is damaged and cannot be read; look for another version of it")
}
