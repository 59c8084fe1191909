// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of flags, in the order of the help.
const (
	groupBridge     = "Bridge"
	groupConnection = "Connection"
	groupLogin      = "Login"
	groupClient     = "Registered clients, and where logins are kept"
	groupOther      = "Other flags"
)

var groupOrder = []string{groupBridge, groupConnection, groupLogin, groupClient, groupOther}

// groupKey is the annotation of a flag that names its group.
const groupKey = "shclient_group"

// add defines flags in a group of the help.
func add(flags *pflag.FlagSet, group string, define func(*pflag.FlagSet)) {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.SortFlags = false
	define(set)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupKey] = []string{group}
	})
	flags.AddFlagSet(set)
}

// setHelp makes the help show flags in groups, and those for all commands once:
// in the help of the program.
func setHelp(root *cobra.Command) {
	root.PersistentFlags().SortFlags = false
	root.Flags().SortFlags = false
	cobra.AddTemplateFunc("shclientFlags", flagHelp)
	const local = "Flags:\n{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	const global = "Global Flags:\n{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}"
	template := root.UsageTemplate()
	template = strings.Replace(template, local, "{{shclientFlags . | trimTrailingWhitespaces}}", 1)
	template = strings.Replace(template, global, "Flags for connection and login are the same for all commands: see {{.Root.CommandPath}} --help.", 1)
	root.SetUsageTemplate(template)
}

// flagHelp is the help of the command's own flags.
func flagHelp(cmd *cobra.Command) string {
	groups := map[string]*pflag.FlagSet{}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		group := groupOther
		if names := f.Annotations[groupKey]; len(names) > 0 {
			group = names[0]
		} else if cmd.HasParent() {
			group = ""
		}
		set := groups[group]
		if set == nil {
			set = pflag.NewFlagSet("", pflag.ContinueOnError)
			set.SortFlags = false
			groups[group] = set
		}
		set.AddFlag(f)
	})
	var b strings.Builder
	for _, group := range append([]string{""}, groupOrder...) {
		set := groups[group]
		if set == nil || !set.HasAvailableFlags() {
			continue
		}
		if group == "" {
			group = "Flags"
		}
		b.WriteString(group + ":\n" + set.FlagUsagesWrapped(100) + "\n")
	}
	return b.String()
}
