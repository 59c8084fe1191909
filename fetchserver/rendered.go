// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"net/http"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// The notes about scripts.
const (
	noteScriptsNotRun = "The page is filled in by scripts, which were not run; raw=true returns its HTML."
	noteScriptsRun    = "The text is what the page shows after its scripts ran; raw=true returns its HTML before."
)

// wantsScripts reports whether a page has to be rendered.
func (t *trip) wantsScripts(resp *fetch.Response, content *Content) bool {
	s := t.server
	return s.opts.Renderer != nil && !t.request.Raw && t.isGet() && resp.Status == http.StatusOK && isHTML(resp.MediaType()) &&
		(content.NeedsScripts || s.opts.RenderAlways) && content.MarkdownURL == ""
}

// render returns the page and its text after its scripts ran. If that does not
// work, what there is has to do, and gets a note; ok is false then.
func (t *trip) render(ctx context.Context, req *fetch.Request, resp *fetch.Response, content *Content) (_ *fetch.Response, _ *Content, ok bool) {
	again := *req
	again.URL = resp.URL.String()
	again.Check = t.mayGo
	if len(resp.Redirects) > 0 && !sameOrigin(resp.URL, req.URL) {
		again.Header = nil // of the caller: they are for the origin that was asked for
	}
	rendered, err := t.server.opts.Renderer.Render(ctx, &again)
	if err == nil {
		o := outcomeOf(ctx)
		o.Received, o.Decoded = o.Received+rendered.Received, o.Decoded+int64(len(rendered.Body))
		var c *Content
		if c, err = t.server.convert(ctx, rendered, false); err == nil && (c.Text != "" || content.Text == "") {
			c.Notes = append(append([]string{noteScriptsRun}, rendered.Notes...), without(c.Notes, noteScriptsNotRun)...)
			return rendered, c, true
		}
	}
	failed := *content
	failed.Notes = without(content.Notes, noteScriptsNotRun)
	if err != nil {
		failed.Notes = append(failed.Notes, "The scripts of the page could not be run, so content may be missing. "+Explain(err))
	} else {
		failed.Notes = append(failed.Notes, "After its scripts ran, the page had no text; this is what it holds before.")
	}
	return resp, &failed, false
}

func without(notes []string, note string) []string {
	var rest []string
	for _, n := range notes {
		if n != note {
			rest = append(rest, n)
		}
	}
	return rest
}

func sameOrigin(u *url.URL, other string) bool {
	o, err := url.Parse(other)
	return err == nil && u.Scheme == o.Scheme && u.Host == o.Host
}

// mayGo asks robots.txt about a document that a browser goes to.
func (t *trip) mayGo(ctx context.Context, u *url.URL) error {
	if t.server.robots == nil || t.request.ByPerson {
		return nil
	}
	return t.server.robots.Check(ctx, u)
}
