// SPDX-License-Identifier: Apache-2.0

package fetch

import "context"

// Event is one decision on the way of a fetch, for people who ask why. It
// holds no secrets: URLs come without userinfo, query and fragment.
type Event struct {
	// Stage is the part of the way: url, dns, dial, request, redirect,
	// response, body and charset here; programs around this package add their
	// own, such as robots or cache.
	Stage string
	// URL is what it is about; may be empty.
	URL string
	// Detail says in one line what was found or decided.
	Detail string
	// Err is why the way ends here; nil means that it goes on.
	Err error
}

type traceKey struct{}

// WithTrace returns a context whose fetches report their decisions to f, after
// those traces that ctx already has. Calls of f may come from several
// goroutines, but one at a time for a fetch whose hosts have one address.
func WithTrace(ctx context.Context, f func(Event)) context.Context {
	if earlier, ok := ctx.Value(traceKey{}).(func(Event)); ok {
		later := f
		f = func(e Event) { earlier(e); later(e) }
	}
	return context.WithValue(ctx, traceKey{}, f)
}

// Trace reports a decision to the traces of ctx. Without one it does nothing.
func Trace(ctx context.Context, e Event) {
	if f, ok := ctx.Value(traceKey{}).(func(Event)); ok {
		f(e)
	}
}

// Traced reports whether ctx has a trace, for callers to whom a Detail costs
// something to make.
func Traced(ctx context.Context) bool { return ctx.Value(traceKey{}) != nil }
