// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"log/slog"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
)

// parts are what a server works with and does not own: they are closed after it,
// and readiness asks whether they can work.
type parts struct {
	ready   []func(context.Context) error
	closers []func()
}

// Ready tells why one of the parts cannot work.
func (p *parts) Ready(ctx context.Context) error {
	for _, ready := range p.ready {
		if err := ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the parts, the last one first.
func (p *parts) Close() {
	for _, end := range slices.Backward(p.closers) {
		end()
	}
}

// server makes a server of the settings. Close the server, then its parts. mend
// has the last word on the options; nil leaves them.
func (c *config) server(log *slog.Logger, mend func(*fetchserver.Options)) (*fetchserver.Server, *parts, error) {
	o, err := c.options(log)
	if err != nil {
		return nil, nil, err
	}
	p := &parts{}
	if !c.noPDF {
		p.closers = append(p.closers, readPDF(o))
	}
	if mend != nil {
		mend(o)
	}
	end, err := c.renderScripts(o, log)
	if err != nil {
		p.Close()
		return nil, nil, err
	}
	p.closers = append(p.closers, end)
	if o.Renderer != nil {
		p.ready = append(p.ready, func(context.Context) error {
			_, err := render.Find(c.chromium)
			return err
		})
	}
	s, err := fetchserver.New(o)
	if err != nil {
		p.Close()
		return nil, nil, &usageError{text: err.Error()} // New has nothing to complain about but its options
	}
	return s, p, nil
}
