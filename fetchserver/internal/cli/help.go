// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// setHelp shows the flags of a command by topic, as the sibling commands do.
func setHelp(cmd *cobra.Command, groups []helpGroup) {
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		var b strings.Builder
		fmt.Fprintf(&b, "Usage:\n  %s\n", usageLine(cmd))
		if cmd.HasExample() {
			fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
		}
		if cmd.HasAvailableSubCommands() {
			fmt.Fprintf(&b, "\nCommands:\n")
			for _, sub := range cmd.Commands() {
				if sub.IsAvailableCommand() {
					fmt.Fprintf(&b, "  %-12s %s\n", sub.Name(), sub.Short)
				}
			}
		}
		for _, g := range groups {
			if g.flags.HasAvailableFlags() {
				fmt.Fprintf(&b, "\n%s:\n%s", g.title, g.flags.FlagUsages())
			}
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
		return err
	})
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return cmd.Parent().Name() + " " + cmd.Use
	}
	if cmd.HasAvailableSubCommands() {
		return cmd.Use + "\n  " + cmd.Name() + " COMMAND"
	}
	return cmd.Use
}
