// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// limitWindow is what limits are about.
const limitWindow = time.Minute

// A limit bounds how often something happens in a minute, at all servers of a
// store together.
type limit struct {
	kind store.Kind
	of   store.Hash // whose limit it is; zero: that of all together
	most int        // negative: no limit
}

// within counts once for each limit. Who is over one does not use up the next,
// so name the narrow ones first. The refusal is what they hear, with Retry-After.
func (s *Server) within(w http.ResponseWriter, r *http.Request, refusal string, limits ...limit) *oauthdyn.Error {
	for _, l := range limits {
		if l.most < 0 {
			continue
		}
		n, ends, err := s.o.Store.Count(r.Context(), l.kind, l.of, limitWindow)
		switch {
		case errors.Is(err, store.ErrFull):
			// So many networks that the limit for all is what counts.
		case err != nil:
			return s.internal(r, "count requests", err)
		case n > l.most:
			s.log.LogAttrs(r.Context(), slog.LevelWarn, "too many requests", slog.String("limit", string(l.kind)), slog.String("network", networkOf(r)))
			w.Header().Set("Retry-After", strconv.Itoa(1+int(max(time.Until(ends), 0)/time.Second)))
			return fail(http.StatusTooManyRequests, oauthdyn.CodeTemporarilyUnavailable, refusal)
		}
	}
	return nil
}

// networkOf is the network that a request came from: what one attacker has.
func networkOf(r *http.Request) string {
	addr, bits := peerAddress(r), 64
	if addr.Is4() {
		bits = 24
	}
	network, err := addr.Prefix(bits)
	if err != nil || !network.IsValid() {
		return "" // over no network
	}
	return network.String()
}
