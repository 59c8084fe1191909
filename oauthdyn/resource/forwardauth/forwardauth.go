// SPDX-License-Identifier: Apache-2.0

package forwardauth

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/plainpath"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

// A Field is something that is known of who calls, by the name of the claim.
type Field string

// The fields. A subject is unique at its issuer only.
const (
	Subject  Field = "sub"
	Username Field = "preferred_username"
	ClientID Field = "client_id"
	Issuer   Field = "iss"
	Scope    Field = "scope" // separated by blanks
	TokenID  Field = "jti"
)

// Fields returns all of them.
func Fields() []Field { return []Field{Subject, Username, ClientID, Issuer, Scope, TokenID} }

// DefaultHeaders returns the headers that the server gets by default: X-User-Id
// with the subject and X-User-Name with the user name.
func DefaultHeaders() map[string]Field {
	return map[string]Field{"X-User-Id": Subject, "X-User-Name": Username}
}

// Options configure a Handler.
type Options struct {
	// Routes are the places that are protected. At least one is required.
	Routes []Route

	// Headers are the headers that the server gets. Nil: DefaultHeaders.
	Headers map[string]Field

	// Clear names further headers that a client must not be able to send to
	// the server; they become empty, as Authorization and X-Auth-Token do
	// anyway.
	Clear []string

	// TokenHeader is a header in which the server gets the access token; for
	// Authorization, "Bearer" or "DPoP" stands before it. MCP forbids a server to
	// use it elsewhere. Empty: the server does not get the token.
	TokenHeader string

	// PassPreflight lets CORS preflight requests, which carry no token, pass to
	// the server, with nobody's headers. Otherwise they are answered with 401;
	// leave it so if the proxy answers them itself.
	PassPreflight bool

	// Logger hears of requests that are refused for another reason than their
	// token, of which the resource tells its own logger. Nil: none.
	Logger *slog.Logger
}

// A Route says which resource a request is for.
type Route struct {
	// Resource decides. Required.
	Resource *resource.Resource

	// Host, with the port unless it is 80 or 443, and Path of requests as
	// clients send them. Path covers what is below it; the longest one wins.
	// Empty: those of the resource's identifier.
	Host, Path string
}

// A Handler answers the questions of proxies. It is safe for concurrent use.
type Handler struct {
	routes        map[string][]Route // by host; the longest path first
	metadata      map[string]http.Handler
	headers       []header
	tokenHeader   string
	passPreflight bool
	log           *slog.Logger
}

// header is one that the server gets; field is empty if it is only cleared.
type header struct {
	name  string
	field Field
}

// New checks the options and makes a Handler.
func New(o Options) (*Handler, error) {
	if len(o.Routes) == 0 {
		return nil, errors.New("forwardauth: no route is given")
	}
	h := &Handler{
		routes: map[string][]Route{}, metadata: map[string]http.Handler{},
		tokenHeader: textproto.CanonicalMIMEHeaderKey(o.TokenHeader), passPreflight: o.PassPreflight, log: o.Logger,
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	for _, route := range o.Routes {
		if err := h.add(route); err != nil {
			return nil, fmt.Errorf("forwardauth: %w", err)
		}
	}
	if err := h.addHeaders(o); err != nil {
		return nil, fmt.Errorf("forwardauth: %w", err)
	}
	return h, nil
}

func (h *Handler) add(route Route) error {
	if route.Resource == nil {
		return errors.New("a route has no resource")
	}
	id, err := url.Parse(route.Resource.ID())
	if err != nil {
		return err
	}
	if route.Host == "" {
		route.Host = id.Host
	}
	if route.Path == "" {
		route.Path = id.Path
	}
	if _, ok := plainpath.Parse(route.Path); route.Path != "" && !ok {
		return fmt.Errorf("path %q of a route is not absolute, or not in plain form", route.Path)
	}
	host := plainHost(route.Host)
	routes := h.routes[host]
	at, found := slices.BinarySearchFunc(routes, route, func(a, b Route) int { return comparePaths(a.Path, b.Path) })
	if found {
		return fmt.Errorf("two routes for %s%s", host, route.Path)
	}
	h.routes[host] = slices.Insert(routes, at, route)
	h.metadata[plainHost(id.Host)+route.Resource.MetadataPath()] = route.Resource.MetadataHandler()
	return nil
}

// comparePaths orders longer paths first.
func comparePaths(a, b string) int {
	a, b = strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/")
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(a, b)
}

// plainHost writes a host and port in one way.
func plainHost(host string) string {
	host = strings.ToLower(host)
	for _, port := range []string{":443", ":80"} {
		if name, ok := strings.CutSuffix(host, port); ok {
			return name
		}
	}
	return host
}

// notForServers are headers that would not reach a server as they are, or that
// would change what the proxy does.
var notForServers = []string{"Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Www-Authenticate"}

func (h *Handler) addHeaders(o Options) error {
	if o.Headers == nil {
		o.Headers = DefaultHeaders()
	}
	fields := map[string]Field{"Authorization": "", "X-Auth-Token": ""}
	names := append(slices.Collect(maps.Keys(o.Headers)), o.Clear...)
	if o.TokenHeader != "" {
		names = append(names, o.TokenHeader)
	}
	for _, name := range names {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || slices.Contains(notForServers, canonical) {
			return fmt.Errorf("%q cannot be a header for a server", name)
		}
		if fields[canonical] != "" {
			return fmt.Errorf("header %s is given twice", canonical)
		}
		fields[canonical] = o.Headers[name]
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if f := fields[name]; f != "" && !slices.Contains(Fields(), f) {
			return fmt.Errorf("header %s: there is no field %q; there are %v", name, f, Fields())
		}
		if fields[name] != "" && name == h.tokenHeader {
			return fmt.Errorf("header %s is given twice", name)
		}
		h.headers = append(h.headers, header{name, fields[name]})
	}
	return nil
}

// HeaderNames returns the headers that a proxy has to copy from the answer into
// the request, in alphabetical order.
func (h *Handler) HeaderNames() []string {
	names := make([]string, len(h.headers))
	for i := range h.headers {
		names[i] = h.headers[i].name
	}
	return names
}

// MetadataHandler serves the metadata of the resources, by host and path of the
// request: the proxy sends it what clients ask for below
// /.well-known/oauth-protected-resource, with the host that they asked.
func (h *Handler) MetadataHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if metadata := h.metadata[plainHost(r.Host)+r.URL.Path]; metadata != nil {
			metadata.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}
