// SPDX-License-Identifier: Apache-2.0

package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// heuristicStatus are the status codes that may be kept without explicit
// freshness (RFC 9110 section 15.1). 206 is one too, but parts are not kept.
var heuristicStatus = []int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}

// terms are what a response says about being kept and reused.
type terms struct {
	cc       directives
	storable bool          // RFC 9111 section 3, for a private cache
	public   bool          // a shared cache might keep it as well
	lifetime time.Duration // RFC 9111 section 4.2.1
	age      time.Duration // on arrival, RFC 9111 section 4.2.3
	received time.Time
}

// termsOf judges a response to a GET request.
func (o *Options) termsOf(r *Request, status int, h http.Header, requested, received time.Time) terms {
	t := terms{cc: parseDirectives(h), received: received}
	date, ok := httpDate(h.Get("Date"))
	if !ok {
		date = received
	}
	t.age = max(received.Sub(date), ageField(h)+received.Sub(requested), 0)

	explicit := true
	expires := h["Expires"]
	switch maxAge, present, _ := t.cc.seconds("max-age"); {
	case present:
		t.lifetime = maxAge // 0 if it cannot be read: stale
	case len(expires) > 0:
		if at, ok := httpDate(expires[0]); ok {
			t.lifetime = max(at.Sub(date), 0)
		}
	default:
		explicit = false
		t.lifetime = o.heuristic(status, t.cc, h, date)
	}
	if t.cc.has("no-cache") {
		t.lifetime = 0
	}

	noStore := t.cc.has("no-store")
	understood := http.StatusText(status) != "" && status != http.StatusPartialContent && status != http.StatusNotModified
	if t.cc.has("must-understand") { // RFC 9111 section 5.2.2.3
		noStore = !understood
	}
	t.storable = !noStore && status >= 200 && status != http.StatusPartialContent && status != http.StatusNotModified &&
		(explicit || t.cc.has("public") || t.cc.has("private") || slices.Contains(heuristicStatus, status)) &&
		!slices.Contains(varyOn(h), "*")
	t.public = t.storable && !t.cc.has("private") && (r.Header.Get("Authorization") == "" ||
		t.cc.has("public") || t.cc.has("must-revalidate") || t.cc.has("s-maxage")) // RFC 9111 section 3.5
	if noStore {
		t.lifetime = 0
	}
	return t
}

// heuristic guesses that what did not change for long will not change soon
// (RFC 9111 section 4.2.2).
func (o *Options) heuristic(status int, cc directives, h http.Header, date time.Time) time.Duration {
	if !slices.Contains(heuristicStatus, status) && !cc.has("public") {
		return 0
	}
	modified, ok := httpDate(h.Get("Last-Modified"))
	if !ok || !modified.Before(date) {
		return 0
	}
	return min(date.Sub(modified)/10, max(o.MaxHeuristic, 0))
}

// currentAge is the age at a time (RFC 9111 section 4.2.3).
func (t *terms) currentAge(now time.Time) time.Duration {
	return t.age + max(now.Sub(t.received), 0)
}

// staleBy returns how long ago freshness ended; negative: how long it goes on.
func (t *terms) staleBy(now time.Time) time.Duration {
	return t.currentAge(now) - t.lifetime
}

// mayBeStale reports whether a stale response may ever be used (RFC 9111
// section 4.2.4).
func (t *terms) mayBeStale() bool {
	return !t.cc.has("must-revalidate") && !t.cc.has("no-cache")
}

// within reports whether staleness is covered by a directive with seconds.
func (d directives) within(name string, stale time.Duration) bool {
	window, _, valid := d.seconds(name)
	return valid && stale <= window
}

// ageField reads Age; what it cannot read is no age (RFC 9111 section 5.1).
func ageField(h http.Header) time.Duration {
	first, _, _ := strings.Cut(h.Get("Age"), ",")
	age, _ := deltaSeconds(strings.Trim(first, " \t"))
	return age
}

// httpDate parses the three forms of a date (RFC 9110 section 5.6.7), and
// nothing that only looks like one: an invalid Expires is one in the past.
// Case and a wrong day of the week are forgiven.
func httpDate(s string) (time.Time, bool) {
	if zone := len(s) - len("GMT"); zone > 0 && strings.EqualFold(s[zone:], "GMT") {
		s = s[:zone] + "GMT"
	}
	for _, layout := range []string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		_, given, _ := strings.Cut(s, " ")
		if _, exact, _ := strings.Cut(t.Format(layout), " "); strings.EqualFold(exact, given) {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
