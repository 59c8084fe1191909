// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

func TestRegistrationFlags(t *testing.T) {
	for limits, want := range map[string]authserver.Registration{
		"":                             {},
		"all=7":                        {InAll: 7},
		" software=1  network=off ":    {PerSoftware: 1, PerNetwork: -1},
		"network=2 software=3 all=off": {PerNetwork: 2, PerSoftware: 3, InAll: -1},
	} {
		f := registrationFlags{limits: limits}
		if got, err := f.registration(); err != nil || got != want {
			t.Errorf("%q: %+v, %v", limits, got, err)
		}
	}
	for _, limits := range []string{"7", "all", "all=", "all=-1", "all=x", "some=1"} {
		f := registrationFlags{limits: limits}
		if _, err := f.registration(); err == nil {
			t.Errorf("%q is accepted", limits)
		}
	}
}
