// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/resource"
)

func TestPerCaller(t *testing.T) {
	s := settings{
		headerEnv: pairs{"API_KEY": "X-Api-Key", "REGION": "x-region"},
		claimEnv:  pairs{"USER_ID": "sub", "USER_NAME": "preferred_username", "SCOPES": "scope"},
	}
	r := httptest.NewRequest("POST", "/mcp", nil)
	r.Header.Set("X-Api-Key", "k=1")
	env := s.perCaller()
	if got := env(r); !slices.Equal(got, []string{"API_KEY=k=1"}) {
		t.Errorf("without a token: %q", got)
	}
	r = r.WithContext(resource.NewContext(r.Context(), &resource.Principal{Issuer: "i", Subject: "alice", Scopes: []string{"a", "b"}}))
	if got := env(r); !slices.Equal(got, []string{"API_KEY=k=1", "SCOPES=a b", "USER_ID=alice"}) {
		t.Errorf("with a token: %q", got)
	}
	if (&settings{}).perCaller() != nil {
		t.Error("there is nothing to take from requests")
	}
}

func TestCheckIdentity(t *testing.T) {
	for _, test := range []struct {
		headers, claims pairs
		want            string
	}{
		{pairs{"A": "X-A"}, pairs{"B": "sub"}, ""},
		{nil, pairs{"B": "email"}, `variable B: there is no claim "email"; there are sub, `},
		{pairs{"A": "X A"}, nil, `variable A: "X A" is not the name of a header`},
	} {
		err := checkClaims(test.claims)
		if err == nil {
			err = checkHeaders(test.headers)
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}
