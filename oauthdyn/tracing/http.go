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
// Neither the URL nor what the client says of itself is told.
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
		defer func() {
			outer.Pattern = r.Pattern
			path, name := route(r), strings.Replace(method, "_OTHER", "HTTP", 1)
			span.Rename(strings.TrimSpace(name + " " + path))
			status, failure := max(answer.Status, http.StatusOK), ""
			if status >= 500 {
				failure = strconv.Itoa(status)
			}
			span.End(failure, Attr{"http.route", path}, Attr{"url.path", path}, Attr{"http.response.status_code", status})
		}()
		next.ServeHTTP(answer, r)
	})
}
