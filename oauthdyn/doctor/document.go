// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

const (
	// webOrigin is that of a client which is a web page.
	webOrigin = "https://client.example"

	// clockTolerance is how far clocks may be apart. Verifiers of tokens allow
	// a minute, ours among them.
	clockTolerance = time.Minute
)

// examineDocuments makes the checks of how documents are served.
func (x *examination) examineDocuments(ctx context.Context) {
	var documents []step
	for _, s := range x.steps {
		if (s.Kind == oauthdyn.StepResourceMetadata || s.Kind == oauthdyn.StepServerMetadata) && s.Response != nil && s.Response.StatusCode == http.StatusOK {
			documents = append(documents, s)
		}
	}
	if documents == nil {
		x.skip("no metadata was found", "", checkContentType, checkRedirects, checkCORS)
	} else {
		x.servedAsJSON(documents)
		x.notRedirected(append(x.of(oauthdyn.StepChallenge), documents...))
		x.readableByPages(ctx, documents)
	}
	x.clocks()
}

func (x *examination) servedAsJSON(documents []step) {
	var wrong []string
	for _, d := range documents {
		header := d.Response.Header.Get("Content-Type")
		kind, _, err := mime.ParseMediaType(header)
		if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
			wrong = append(wrong, fmt.Sprintf("%s has the type %q", d.URL, header))
		}
	}
	if wrong != nil {
		x.add(checkContentType, Check{
			Result: Warning, Found: strings.Join(wrong, "; "),
			Remedy: "Send Content-Type: application/json; some clients refuse other types.",
		})
		return
	}
	x.add(checkContentType, Check{Result: Pass})
}

func (x *examination) notRedirected(steps []step) {
	var moved []string
	for _, s := range steps {
		if s.Response == nil {
			continue
		}
		if at := s.Response.Request.URL.String(); at != s.URL {
			moved = append(moved, s.URL+" to "+at)
		}
	}
	if moved != nil {
		x.add(checkRedirects, Check{
			Result: Warning, Found: strings.Join(moved, "; "),
			Remedy: "Serve the documents where they are looked for: many clients follow no redirects here. If the server has moved, use its new address.",
		})
		return
	}
	x.add(checkRedirects, Check{Result: Pass})
}

// readableByPages asks for the documents as a web page does.
func (x *examination) readableByPages(ctx context.Context, documents []step) {
	var closed []string
	for _, d := range documents {
		at := d.Response.Request.URL.String()
		resp, err := x.send(ctx, http.MethodGet, at, nil)
		if err != nil {
			continue // it was there before
		}
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != "*" && allowed != webOrigin {
			closed = append(closed, at)
		}
	}
	if closed != nil {
		x.add(checkCORS, Check{
			Result: Warning, Found: "no Access-Control-Allow-Origin at " + strings.Join(closed, ", "),
			Remedy: "Send Access-Control-Allow-Origin: * with metadata, which is public, if clients in browsers are to work.",
		})
		return
	}
	x.add(checkCORS, Check{Result: Pass})
}

// clocks compares the Date of answers with the time at which they came.
func (x *examination) clocks() {
	seen := false
	for _, s := range x.steps {
		if s.Response == nil {
			continue
		}
		date, err := http.ParseTime(s.Response.Header.Get("Date"))
		if err != nil {
			continue
		}
		seen = true
		ahead := date.Sub(s.at).Round(time.Second)
		if ahead.Abs() <= clockTolerance {
			continue
		}
		how := "ahead of"
		if ahead < 0 {
			how = "behind"
		}
		x.add(checkClock, Check{
			Result: Warning, Found: fmt.Sprintf("the clock of %s is %v %s that of this machine", s.Response.Request.URL.Host, ahead.Abs(), how),
			Remedy: "Let both machines get their time by NTP: tokens that seem to come from the future, or to have expired, are refused.",
		})
		return
	}
	if !seen {
		x.skip("no answer has a Date", "", checkClock)
		return
	}
	x.add(checkClock, Check{Result: Pass})
}

// send makes a request as a web page would, and returns the answer, of which a
// small body has been read into its place.
func (x *examination) send(ctx context.Context, method, at string, form url.Values) (*http.Response, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Origin", webOrigin)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := x.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	return resp, err
}
