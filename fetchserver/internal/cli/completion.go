// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// shells are those that completion scripts are made for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Print the script that teaches a shell to complete commands and flags.

  bash        needs the package bash-completion; for every new shell:
              fetchserver completion bash > ~/.local/share/bash-completion/completions/fetchserver
  zsh         fetchserver completion zsh > "${fpath[1]}/_fetchserver"
              compinit must have run: autoload -U compinit; compinit
  fish        fetchserver completion fish > ~/.config/fish/completions/fetchserver.fish
  powershell  fetchserver completion powershell | Out-String | Invoke-Expression
              in the file that $PROFILE names, for every new shell`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{text: "want one shell: " + strings.Join(shells, ", ")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return &usageError{text: "no script for " + args[0] + ": want one of " + strings.Join(shells, ", ")}
		},
		ValidArgsFunction: cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
	}
	setHelp(cmd, nil)
	return cmd
}

// complete gives the command and those below it their completions: files for the
// flags that take them, and words for those that take one of a few.
func complete(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	values := map[string][]string{"LEVEL": {"debug", "info", "warn", "error"}, "FORMAT": {"text", "json"}}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		kind, _ := pflag.UnquoteUsage(f)
		words := values[kind]
		if c, ok := f.Value.(*configfile.Choice); ok {
			words = c.Words
		}
		switch {
		case words != nil:
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // unless there is one
		case kind != "FILE" && kind != "DIR":
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions) // unless there is one
		}
	})
	for _, sub := range cmd.Commands() {
		complete(sub)
	}
}
