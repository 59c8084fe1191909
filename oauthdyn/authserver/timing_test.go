// SPDX-License-Identifier: Apache-2.0

package authserver_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// S49: whoever guesses client ids or secrets learns nothing from the answers:
// they are the same for a client that is not there, a wrong secret, and one that
// is right but for its end. How long they take is reported, not judged: a test
// cannot tell the server's time from the machine's.
func TestS49UnknownClientsLookLikeKnownOnes(t *testing.T) {
	h := newHarness(t, nil)
	client := h.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"client_secret_post"}`)
	almost := client.ClientSecret[:len(client.ClientSecret)-1] + "~"
	guesses := []struct {
		name, id, secret string
		times            []time.Duration
	}{
		{name: "unknown client", id: strings.Repeat("x", len(client.ClientID)), secret: client.ClientSecret},
		{name: "wrong secret", id: client.ClientID, secret: strings.Repeat("x", len(client.ClientSecret))},
		{name: "secret right but for its end", id: client.ClientID, secret: almost},
	}
	const samples = 200
	answers := map[string]bool{}
	for range samples {
		for i := range guesses {
			g := &guesses[i]
			req := newRequest(t, http.MethodPost, h.Issuer+"/token", url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"none"}, "client_id": {g.id}, "client_secret": {g.secret},
			}.Encode())
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			begin := time.Now()
			res, body := h.page(req)
			g.times = append(g.times, time.Since(begin))
			res.Header.Del("Date")
			var header strings.Builder
			if err := res.Header.Write(&header); err != nil {
				t.Fatal(err)
			}
			answers[res.Status+"\n"+header.String()+body] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers: %q", len(answers), slices.Collect(maps.Keys(answers)))
	}
	for _, g := range guesses {
		slices.Sort(g.times)
		t.Logf("%s: median %v of %d", g.name, g.times[samples/2], samples)
	}
}
