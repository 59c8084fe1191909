// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/certs"
)

// config holds what operators can decide. Each of its flags is also a member of
// the configuration file, in camel case, and a variable of the environment, in
// upper case behind FETCHSERVER_.
type config struct {
	configFile  string
	checkConfig bool

	addressFlags
	callerFlags
	policyFlags
	networkFlags
	renderFlags
	cacheFlags
	operationFlags
	certs   certs.Flags
	logging logFlags

	environment environment
	foreign     []note // on names of other programs that were used
}

// A flagGroup is a part of the settings. To add to the settings, write a struct
// with a method that adds its flags, embed it in config, name the method here,
// and use the values in config.options.
type flagGroup struct {
	title string
	// serving says that a command that only reads a page has no use for it.
	serving bool
	// http says that it contradicts --stdio.
	http bool
	add  func(*config, *pflag.FlagSet)
}

var flagGroups = []flagGroup{
	{"Where", true, true, (*config).addAddressFlags},
	{"Who may call", true, true, (*config).addCallerFlags},
	{"What may be fetched, and how", false, false, (*config).addPolicyFlags},
	{"How often sites are asked", false, false, (*config).addCacheFlags},
	{"How sites are reached", false, false, (*config).addNetworkFlags},
	{"Pages that need scripts", false, false, (*config).addRenderFlags},
	{"Names of other programs", false, false, (*config).addForeignFlags},
	{"Encryption", true, true, (*config).addCertFlags},
	{"Operation", true, false, (*config).addOperationFlags},
	{"Configuration and log", false, false, (*config).addLogFlags},
}

// A helpGroup is a part of the help.
type helpGroup struct {
	title string
	http  bool
	flags *pflag.FlagSet
}

// register adds the flags to a command, and returns them by topic. The settings
// that are of no use to a command that only reads are none of its flags; but the
// configuration file may have them, and so all has them too.
func (c *config) register(cmd *cobra.Command, serves bool) (groups []helpGroup, all *pflag.FlagSet) {
	all = pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	all.SortFlags = false
	cmd.Flags().SortFlags = false
	for _, g := range flagGroups {
		f := pflag.NewFlagSet(g.title, pflag.ContinueOnError)
		f.SortFlags = false
		g.add(c, f)
		all.AddFlagSet(f)
		if serves || !g.serving {
			groups = append(groups, helpGroup{g.title, g.http, f})
			cmd.Flags().AddFlagSet(f)
		}
	}
	return groups, all
}

func (c *config) addCertFlags(f *pflag.FlagSet) {
	c.certs.Program = "fetchserver"
	c.certs.Add(f)
}
