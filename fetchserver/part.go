// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// Part is a part of the work on a document that takes time, for programs that
// trace: see [Options.Trace].
type Part struct {
	// Name is one of the Part constants.
	Name PartName
	// Scheme and Host are those of the URL that was asked for, and of
	// [PartRobots] those of the hop; no more of a URL is told. Empty for
	// [PartExtract].
	Scheme, Host string
	// ContentType is the media type of what [PartExtract] reads.
	ContentType string
}

// PartName names a part.
type PartName string

// The parts.
const (
	PartFetch   PartName = "fetch"   // a document from its origin, over any redirects, with all parts below
	PartRobots  PartName = "robots"  // whether robots.txt allows it, which may be known
	PartExtract PartName = "extract" // makes text of a body
	PartRender  PartName = "render"  // runs the scripts of a page
)

// PartEnd is how a part ended.
type PartEnd struct {
	Result Result     // one of the Result constants
	Reason fetch.Code // of the fetch error behind another Result than ResultOK; may be empty
	Status int        // of the origin's answer; 0 if there is none
}

// part begins a part. end is to be called once.
func (s *Server) part(ctx context.Context, name PartName, address, contentType string) (inside context.Context, end func(status int, err error)) {
	if s.opts.Trace == nil {
		return ctx, func(int, error) {}
	}
	p := Part{Name: name, ContentType: contentType}
	if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		p.Scheme, p.Host = u.Scheme, u.Host
	}
	inside, ended := s.opts.Trace(ctx, p)
	return inside, func(status int, err error) {
		result, reason := resultOf(err)
		ended(PartEnd{Result: result, Reason: reason, Status: status})
	}
}
