// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/pace"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// errBusy: the call spent its time waiting for others to finish.
var errBusy = errors.New("fetchserver: too many calls at the same time")

// statusError is an answer that is not the resource.
type statusError struct {
	resp     *fetch.Response
	text     string // what the answer says, converted
	boundary string // of the marks around it
}

func (e *statusError) Error() string {
	return "fetchserver: " + e.resp.URL.Host + " answered " + strconv.Itoa(e.resp.Status)
}

// contentError is a resource that cannot be shown to a model.
type contentError struct {
	contentType string
	size        int
	tooLarge    bool
}

func (e *contentError) Error() string {
	return "fetchserver: " + e.contentType + " of " + strconv.Itoa(e.size) + " bytes cannot be returned"
}

// Explain turns an error of [Server.Fetch] into what a model needs: what
// happened, and what to do next. It holds no query of a URL but that of the
// caller's.
func Explain(err error) string {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.explain()
	}
	if e, ok := errors.AsType[*contentError](err); ok {
		return e.explain()
	}
	failed, isFetch := errors.AsType[*fetch.Error](err)
	if e, ok := errors.AsType[*robots.DisallowedError](err); ok && !(isFetch && sharedByOrigin[failed.Code]) {
		return explainRobots(e)
	}
	if isFetch && advice[failed.Code] != "" {
		return sentence("Failed to fetch: "+failed.Detail) + " " + advice[failed.Code]
	}
	if e, ok := errors.AsType[*pace.PausedError](err); ok {
		return e.Host + " asked clients to wait, and is not asked again for " + time.Until(e.Until).Round(time.Second).String() + ". Do not retry before; use another source meanwhile."
	}
	switch {
	case errors.Is(err, errBusy):
		return "The fetch server is busy. Wait a little, then try again."
	case errors.Is(err, context.DeadlineExceeded):
		return "Failed to fetch: the page took too long. Try again later or use another source."
	case errors.Is(err, context.Canceled):
		return "The fetch was cancelled."
	}
	return sentence("Failed to fetch: " + strings.TrimPrefix(err.Error(), "fetch: "))
}

// sharedByOrigin are the reasons that keep robots.txt and the page it is asked
// for from being fetched alike: they explain more than a missing robots.txt.
var sharedByOrigin = map[fetch.Code]bool{
	fetch.CodeAddress: true, fetch.CodePort: true, fetch.CodeDNS: true, fetch.CodeTLS: true, fetch.CodeConnect: true,
	fetch.CodeDomain: true, fetch.CodeProxy: true,
}

// advice is what to do about each reason.
var advice = map[fetch.Code]string{
	fetch.CodeURL:      "Correct the URL; it must look like https://example.com/page.",
	fetch.CodeDomain:   "Do not retry; use another source, or ask the operator to allow this host.",
	fetch.CodeRequest:  "Correct the method or the body.",
	fetch.CodeHeader:   "Leave this header field out.",
	fetch.CodeProxy:    "The fetch server's way to the web does not work for this URL; use another source, or tell the operator.",
	fetch.CodePort:     "Only the usual web ports can be fetched; use another URL.",
	fetch.CodeAddress:  "This server fetches public web pages only. Do not retry; use a public URL, or ask the operator to allow this address.",
	fetch.CodeRedirect: "Try the final URL of the page directly.",
	fetch.CodeTooLarge: "Look for a smaller version of this content, such as one page of it.",
	fetch.CodeEncoding: "The server's answer cannot be read; try another source.",
	fetch.CodeTimeout:  "Try again later or use another source.",
	fetch.CodeDNS:      "Check the spelling of the host name, or search for the right URL.",
	fetch.CodeTLS:      "The site cannot be fetched securely; try another source.",
	fetch.CodeConnect:  "Check the URL, try again later or use another source.",
}

func explainRobots(e *robots.DisallowedError) string {
	if e.Err != nil {
		return "The file " + e.RobotsURL + " could not be read, so automated fetching of this site has to be taken as forbidden (RFC 9309). " +
			"Try again in a minute, use another source, or ask the user to open the page."
	}
	return "The file " + e.RobotsURL + " forbids automated clients to fetch this URL. " +
		"Do not retry; use another source, or ask the user to open the page and provide its text."
}

// maxErrorText is how much of an error page is passed on, in code points.
const maxErrorText = 500

func (e *statusError) explain() string {
	status := e.resp.Status
	b := e.resp.URL.String() + " answered " + strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		b += " " + text
	}
	b += ". "
	switch {
	case status == 401 || status == 403 || status == 407:
		b += "The page needs a login or refuses automated clients; do not retry, use another source."
	case status == 404 || status == 410:
		b += "The page does not exist; check the URL or search for the right one."
	case status == 429:
		b += "Too many requests; wait before trying again."
		if after := e.resp.Header.Get("Retry-After"); len(after) > 0 && len(after) < 40 {
			b += " Retry-After: " + strconv.Quote(after) + "."
		}
	case status >= 500:
		b += "The site has a problem; try again later or use another source."
	default:
		b += "There is no content to read; check the URL."
	}
	if text := slice(strings.TrimSpace(e.text), 0, maxErrorText); text != "" {
		var framed strings.Builder
		frame(&framed, e.boundary, text)
		b += "\nThe answer begins:\n" + framed.String()
	}
	return b
}

func (e *contentError) explain() string {
	size := strconv.Itoa(e.size) + " bytes"
	if e.tooLarge {
		return "The image has " + size + ", more than the " + strconv.Itoa(maxImage) + " that can be returned. Look for a smaller version of it."
	}
	return "The content is " + e.contentType + " (" + size + "), which cannot be shown as text. Look for a web page with the same information."
}

func sentence(s string) string { return strings.TrimRight(s, ".") + "." }
