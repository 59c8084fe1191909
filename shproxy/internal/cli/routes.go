// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// route makes the routes to the instances, and lists the resources for which
// tokens are needed.
func (f *fleet) route(endpoints []endpoint, instances []*instance) (*http.ServeMux, []authserver.Resource, error) {
	b := routeBuilder{mux: http.NewServeMux(), owners: make(map[string]string)}
	b.handle(healthPath, "the proxy", f.healthHandler(instances))
	for _, path := range f.health {
		b.handle(path, "the proxy", f.healthHandler(instances))
	}
	for n, e := range endpoints {
		for _, path := range e.paths {
			f.routeEndpoint(&b, e.name, path, instances[n])
		}
	}
	if f.access.resource != "" && len(endpoints) > 1 {
		return nil, nil, &usageError{text: "--resource is the URL of one endpoint, and there are several; --public-url is for all of them"}
	}
	if f.access.embedded != nil {
		b.exact("/", "the authorization server", f.access.embedded)
	}
	return b.mux, b.resources, b.err
}

// routeEndpoint serves an instance at a path and, if that is wanted, the older
// transport beside it.
func (f *fleet) routeEndpoint(b *routeBuilder, name, path string, i *instance) {
	wrap := f.protect(b, i, name, path)
	b.handle(path, name, wrap(i.handler))
	if events, message, ok := f.sse.handlers(path, i); ok {
		wrap := f.protect(b, i, name, events.path)
		b.handle(events.path, name, wrap(events.handler))
		b.handle(message.path, name, wrap(message.handler))
	}
}

// protect returns what stands before the handlers of a resource, and routes
// its metadata.
func (f *fleet) protect(b *routeBuilder, i *instance, name, path string) func(http.Handler) http.Handler {
	p, err := f.access.protect(path, name)
	if err != nil {
		b.fail(err)
		return func(h http.Handler) http.Handler { return h }
	}
	if p.resource != nil && !slices.ContainsFunc(b.resources, func(r authserver.Resource) bool { return r.URI == p.resource.ID() }) {
		b.exact(p.resource.MetadataPath(), name, p.resource.MetadataHandler())
		b.resources = append(b.resources, authserver.Resource{URI: p.resource.ID(), Name: name, Scopes: f.access.scopes})
	}
	headers := slices.Sorted(maps.Values(i.spec.settings.headerEnv))
	pass := f.pass
	if i.proxy == nil {
		pass = func(h http.Handler) http.Handler { return h } // what is elsewhere has its own sessions
	}
	return func(h http.Handler) http.Handler { return f.cors.wrap(named(name, pass(p.wrap(h))), headers...) }
}

// routeBuilder fills a mux, which panics at conflicts.
type routeBuilder struct {
	mux       *http.ServeMux
	owners    map[string]string // by path
	resources []authserver.Resource
	err       error // the first
}

func (b *routeBuilder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// handle serves a path, also with a slash at the end.
func (b *routeBuilder) handle(path, owner string, h http.Handler) {
	if b.exact(path, owner, h) && path != "/" {
		b.mux.Handle(path+"/{$}", h)
	}
}

func (b *routeBuilder) exact(path, owner string, h http.Handler) bool {
	if other, taken := b.owners[path]; taken {
		b.fail(&usageError{text: fmt.Sprintf("%s and %s are both at %s", other, owner, path)})
	}
	if b.err != nil {
		return false
	}
	b.owners[path] = owner
	b.mux.Handle(path, h)
	return true
}

// healthHandler tells that the process is up: for one server what its proxy
// tells, for several how many there are, and how many could not be made.
func (f *fleet) healthHandler(instances []*instance) http.Handler {
	if len(instances) == 1 && instances[0].proxy != nil {
		return instances[0].proxy.Health()
	}
	failed := 0
	for _, i := range instances {
		if i.err != nil {
			failed++
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, word := http.StatusOK, "ok"
		if f.stopping.Load() {
			status, word = http.StatusServiceUnavailable, "stopping"
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": word, "servers": len(instances), "failed": failed})
	})
}
