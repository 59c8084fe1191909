// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// Handler makes a span of each request to next, as the semantic conventions for
// HTTP servers have it: within the trace that the request names, or in a new one.
// route is the path of a request if it is one of few, or empty; it is called after
// the request was served, when the patterns of an [http.ServeMux] are known.
// Neither the URL nor what the client says of itself is told. The error.type of an
// answer that a panic cut off, such as [http.ErrAbortHandler], is "aborted", unless
// the client had left.
func (t *Tracer) Handler(next http.Handler, route func(*http.Request) string) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := service.MethodLabel(r.Method)
		if method == "other" {
			method = "_OTHER"
		}
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		ctx, span := t.Begin(w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header)), Begin{Name: method, Kind: Server, Attrs: []Attr{
			{"http.request.method", method}, {"url.scheme", scheme},
			{"network.protocol.version", strings.TrimPrefix(r.Proto, "HTTP/")},
		}})
		answer := &service.CountedWriter{ResponseWriter: w}
		outer := r
		r = r.WithContext(ctx)
		r.Header = maps.Clone(r.Header) // for those to whom the request is passed on
		w3c.Inject(ctx, propagation.HeaderCarrier(r.Header))
		aborted := true // unless the handler returns
		defer func() {
			outer.Pattern = r.Pattern
			path, name := route(r), strings.Replace(method, "_OTHER", "HTTP", 1)
			span.Rename(strings.TrimSpace(name + " " + path))
			status, failure, attrs := max(answer.Status, http.StatusOK), "", []Attr{{"http.route", path}, {"url.path", path}}
			switch {
			case aborted && outer.Context().Err() == nil: // otherwise it is the client who has left
				failure = "aborted"
			case status >= 500:
				failure = strconv.Itoa(status)
			}
			if !aborted || answer.Status >= http.StatusOK {
				attrs = append(attrs, Attr{"http.response.status_code", status})
			}
			span.End(failure, attrs...)
		}()
		next.ServeHTTP(answer, r)
		aborted = false
	})
}
