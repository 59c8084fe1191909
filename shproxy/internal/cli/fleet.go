// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxProbes bounds the commands that are tried at one time.
const maxProbes = 4

// fleet is all that is served. It is an http.Handler, whose routes are
// exchanged as a whole when the configuration is read again.
type fleet struct {
	maker  *maker
	access *access
	cors   *cors
	sse    legacyPaths
	health []string // further paths of the health endpoint
	drain  time.Duration
	pass   func(http.Handler) http.Handler // to the replicas that have a session
	log    *slog.Logger

	routes   atomic.Pointer[http.ServeMux]
	stopping atomic.Bool

	mu      sync.Mutex
	serving []*instance // guarded by mu
	places  []endpoint  // guarded by mu; where the instances are, in the same order

	background sync.WaitGroup // probes, and instances that are ending
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.routes.Load().ServeHTTP(w, r)
}

// use serves the endpoints from now on. Instances whose spec is the same stay;
// others are made, and those that are no longer wanted are drained and ended
// in the background, at the latest when ctx ends. After an error everything is
// as before. It returns the new instances.
func (f *fleet) use(ctx context.Context, endpoints []endpoint) ([]*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := slices.Clone(f.serving)
	var next, fresh []*instance
	for _, e := range endpoints {
		i := slices.IndexFunc(left, func(i *instance) bool { return i.err == nil && reflect.DeepEqual(i.spec, e.spec) })
		if i >= 0 {
			next = append(next, left[i])
			left = slices.Delete(left, i, i+1)
			continue
		}
		made := f.maker.make(e.spec)
		next, fresh = append(next, made), append(fresh, made)
	}
	mux, resources, err := f.route(endpoints, next)
	if err == nil {
		err = f.access.offer(ctx, resources)
	}
	if err != nil {
		f.retire(ctx, fresh)
		return nil, err
	}
	f.routes.Store(mux)
	f.serving, f.places = next, endpoints
	f.retire(ctx, left)
	return fresh, nil
}

// retire ends instances that are no longer served.
func (f *fleet) retire(ctx context.Context, instances []*instance) {
	for _, i := range instances {
		f.background.Go(func() {
			drain, cancel := context.WithTimeout(ctx, f.drain)
			defer cancel()
			i.drain(drain)
			i.stop(ctx)
		})
	}
}

// servers lists what has a command, for the admin address.
func (f *fleet) servers() []adminServer {
	f.mu.Lock()
	defer f.mu.Unlock()
	var servers []adminServer
	for n, i := range f.serving {
		if i.spec.url == "" {
			servers = append(servers, adminServer{Name: i.spec.name, Path: f.places[n].paths[0], Proxy: i.proxy, Err: i.err})
		}
	}
	return servers
}

// try probes instances and returns as soon as one works, or when none of them
// does. What the others do is logged later.
func (f *fleet) try(ctx context.Context, instances []*instance) error {
	results := make(chan error, len(instances))
	slots := make(chan struct{}, maxProbes)
	for _, i := range instances {
		f.background.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			err := i.probe(ctx)
			if err != nil && ctx.Err() == nil && len(instances) > 1 {
				f.complain(ctx, i, err)
				err = fmt.Errorf("%s: %s", i.spec.name, oneLine(err.Error()))
			}
			results <- err
		})
	}
	var failures []error
	for range instances {
		err := <-results
		if err == nil || ctx.Err() != nil {
			return nil
		}
		failures = append(failures, err)
	}
	if len(failures) == 1 {
		return failures[0]
	}
	var texts []string
	for _, err := range failures {
		texts = append(texts, err.Error())
	}
	return errors.New("none of the servers works: " + strings.Join(texts, "; "))
}

func (f *fleet) complain(ctx context.Context, i *instance, err error) {
	f.log.LogAttrs(ctx, slog.LevelError, "server does not work",
		slog.String("server", i.spec.name), slog.String("error", oneLine(err.Error())))
}

// watch probes instances without waiting for them.
func (f *fleet) watch(ctx context.Context, instances []*instance) {
	f.background.Go(func() {
		if err := f.try(ctx, instances); err != nil && len(instances) == 1 {
			f.complain(ctx, instances[0], err)
		}
	})
}

// drainAll waits for the calls in flight, until the time for them is over or
// kill ends.
func (f *fleet) drainAll(kill context.Context) {
	f.stopping.Store(true)
	ctx, cancel := context.WithTimeout(kill, f.drain)
	defer cancel()
	each(f.instances(), func(i *instance) { i.drain(ctx) })
}

// end ends all instances. It is the last call.
func (f *fleet) end(kill context.Context) {
	f.stopping.Store(true)
	each(f.instances(), func(i *instance) { i.stop(kill) })
}

func (f *fleet) instances() []*instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.serving
}

// where lists the endpoints that are served.
func (f *fleet) where() []endpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.places
}

func each(instances []*instance, do func(*instance)) {
	var all sync.WaitGroup
	for _, i := range instances {
		all.Go(func() { do(i) })
	}
	all.Wait()
}
