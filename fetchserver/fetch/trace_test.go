// SPDX-License-Identifier: Apache-2.0

package fetch_test

import (
	"slices"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

func TestTracesAreCalledInOrder(t *testing.T) {
	var got []string
	ctx := fetch.WithTrace(t.Context(), func(e fetch.Event) { got = append(got, "outer "+e.Detail) })
	ctx = fetch.WithTrace(ctx, func(e fetch.Event) { got = append(got, "inner "+e.Detail) })
	if fetch.Traced(t.Context()) || !fetch.Traced(ctx) {
		t.Error("Traced does not tell whether there is a trace")
	}
	fetch.Trace(t.Context(), fetch.Event{Detail: "unheard"})
	fetch.Trace(ctx, fetch.Event{Detail: "heard"})
	if want := []string{"outer heard", "inner heard"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
