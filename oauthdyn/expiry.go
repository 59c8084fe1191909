// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import "time"

const (
	// earlyLimit is the longest time before its expiry that a token is
	// refreshed; a tenth of its lifetime if that is less, and up to twice as
	// much with jitter.
	earlyLimit = 5 * time.Minute

	// clockTolerance is by how much the clocks of machines that share a store
	// may differ.
	clockTolerance = time.Minute
)

// usable reports whether an access token has not expired, as far as is known.
func usable(g *Grant) bool { return g.Expiry.IsZero() || !reached(g.Expiry) }

// reached reports whether a time has come by the wall clock or, if t is from
// this process, by the monotonic clock. The former may have been set back, the
// latter stands still while a machine sleeps; one refresh too many is no harm.
func reached(t time.Time) bool {
	now := time.Now()
	return !now.Before(t) || !now.Round(0).Before(t)
}

// due reports whether it is time to refresh a token. One that was received in
// the future comes from before the clock was set back, and could have any age.
func (c *Client) due(g *Grant) bool {
	if g.Expiry.IsZero() {
		return false
	}
	if time.Now().Round(0).Add(clockTolerance).Before(g.Obtained) {
		return true
	}
	early := min(g.Expiry.Sub(g.Obtained)/10, earlyLimit)
	early += time.Duration(c.jitter * float64(early))
	return reached(g.Expiry.Add(-max(early, 0)))
}
