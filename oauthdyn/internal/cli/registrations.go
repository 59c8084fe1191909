// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

// registrationFlags say which clients can register at serve, and how often.
type registrationFlags struct {
	limits           string
	alwaysNew        bool
	noPrivateSchemes bool
}

func (f *registrationFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.limits, "registration-limits", "", "`LIMITS` like 'network=300 software=60 all=600', the default: new clients in a minute, from an IPv4 /24 or IPv6 /64, of the same software_id and redirect URIs, and in all; off is no limit")
	flags.BoolVar(&f.alwaysNew, "always-new-clients", false, "give a public client that registers again a new client id, not the one that it got before")
	flags.BoolVar(&f.noPrivateSchemes, "no-private-schemes", false, "refuse redirect URIs such as cursor://: https and http on a loopback address only")
}

// registration reads the flags.
func (f *registrationFlags) registration() (authserver.Registration, error) {
	r := authserver.Registration{AlwaysNew: f.alwaysNew, NoPrivateSchemes: f.noPrivateSchemes}
	for word := range strings.FieldsSeq(f.limits) {
		name, value, _ := strings.Cut(word, "=")
		limit := map[string]*int{"network": &r.PerNetwork, "software": &r.PerSoftware, "all": &r.InAll}[name]
		if limit == nil {
			return r, &usageError{text: fmt.Sprintf("--registration-limits: there is no %s=; there are network, software, all", name)}
		}
		if value == "off" {
			*limit = -1
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return r, &usageError{text: fmt.Sprintf("--registration-limits: %s is a number from 1, or off", word)}
		}
		*limit = n
	}
	return r, nil
}
