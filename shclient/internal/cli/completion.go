// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/schemacache"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

// shells are those that completion scripts are made for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Print the script that teaches a shell to complete commands, flags, the names of servers
in the configurations of clients, and tools with their arguments and values.

Tools are known of servers that "list" or "call" were used with in the last 30 days;
completion itself connects with no server and runs none.

  bash        needs the package bash-completion; for every new shell:
              shclient completion bash > ~/.local/share/bash-completion/completions/shclient
  zsh         shclient completion zsh > "${fpath[1]}/_shclient"
              compinit must have run: autoload -U compinit; compinit
  fish        shclient completion fish > ~/.config/fish/completions/shclient.fish
  powershell  shclient completion powershell | Out-String | Invoke-Expression
              in the file that $PROFILE names, for every new shell`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "want one shell: %s", strings.Join(shells, ", "))
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
			return usage(cmd, "no script for %q: want %s", args[0], strings.Join(shells, ", "))
		},
	}
}

// complete gives every command below root its completions. Those that take a
// TARGET are recognized by their usage.
func (a *app) complete(root *cobra.Command) {
	special := map[string]cobra.CompletionFunc{
		"call":       a.completeCall,
		"load":       a.completeCall,
		"list":       a.completeTarget(kinds...),
		"completion": cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
	}
	values := map[string][]string{"client": clientIDs(), "era": eraNames, "level": logLevels} // by the kind of a flag
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		switch {
		case special[cmd.Name()] != nil && cmd.Parent() == root:
			cmd.ValidArgsFunction = special[cmd.Name()]
		case cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil && strings.Contains(cmd.Use, "TARGET"):
			cmd.ValidArgsFunction = a.completeTarget()
		case cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil:
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		completeFlags := func(flags *pflag.FlagSet) {
			flags.VisitAll(func(f *pflag.Flag) {
				kind, _ := pflag.UnquoteUsage(f)
				switch {
				case values[kind] != nil:
					_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values[kind], cobra.ShellCompDirectiveDefault)) // unless there is one
				case kind != "file" && kind != "dir":
					_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions) // unless there is one
				}
			})
		}
		completeFlags(cmd.LocalFlags())
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

// completeTarget completes a TARGET, and the words that may follow it.
func (a *app) completeTarget(next ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		switch {
		case a.behindDash():
			return nil, cobra.ShellCompDirectiveDefault // a command, and its files
		case len(args) == 0:
			return a.targetNames(toComplete), cobra.ShellCompDirectiveNoFileComp
		case len(args) == 1:
			return next, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// behindDash reports that a -- stands before the word that is completed. Cobra
// hides it from completions.
func (a *app) behindDash() bool {
	return len(a.args) > 0 && slices.Contains(a.args[:len(a.args)-1], "--")
}

// targetNames are the servers of configurations, and the URLs that were used.
func (a *app) targetNames(prefix string) []string {
	var list []string
	if catalog, err := a.catalog(); err == nil {
		summaries := map[string]string{}
		for _, s := range catalog.Servers {
			summaries[s.ID()] = s.Summary()
		}
		for _, name := range catalog.Names() {
			if strings.HasPrefix(name, prefix) && !strings.ContainsAny(name, " \t\n") {
				list = append(list, cobra.CompletionWithDesc(name, oneLine(summaries[name])))
			}
		}
	}
	for _, target := range a.schemas().Targets(time.Now()) {
		if strings.Contains(target, "://") && strings.HasPrefix(target, prefix) {
			list = append(list, target)
		}
	}
	return list
}

// completeCall completes a target, one of its tools, and the tool's arguments,
// as they were when the server was last asked.
func (a *app) completeCall(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if a.behindDash() || len(args) == 0 {
		return a.completeTarget()(cmd, args, toComplete)
	}
	var list []string
	tools := a.schemas().Tools(a.cacheKey(args[0]), time.Now())
	if len(args) == 1 {
		for _, tool := range tools {
			if strings.HasPrefix(tool.Name, toComplete) {
				list = append(list, cobra.CompletionWithDesc(tool.Name, tool.Description))
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
	for _, tool := range tools {
		if tool.Name != args[1] || tool.InputSchema == nil {
			continue
		}
		schema, err := toolargs.Parse(tool.InputSchema)
		if err != nil {
			break
		}
		return describedArguments(schema, toComplete, args[2:])
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// describedArguments are the ways on from the beginning of an assignment.
func describedArguments(schema *toolargs.Schema, prefix string, given []string) ([]string, cobra.ShellCompDirective) {
	directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	about := map[string]string{}
	for _, p := range schema.Params() {
		about[p.Name+"="] = p.Type()
		if p.Required {
			about[p.Name+"="] += ", required"
		}
		if text := summaryLine(p.Description); text != "" {
			about[p.Name+"="] += ": " + text
		}
	}
	var list []string
	for _, text := range schema.Complete(prefix, given) {
		if strings.ContainsAny(text, "\t\n") {
			continue
		}
		if strings.HasSuffix(text, "=") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		list = append(list, cobra.CompletionWithDesc(oneLine(text), about[text]))
	}
	return list, directive
}

func summaryLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return oneLine(text)
}

// schemas is the cache of what servers offer.
func (a *app) schemas() schemacache.Cache {
	dir, _ := a.lookupEnv("XDG_CACHE_HOME")
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			dir = "" // which has nothing
		}
	}
	if dir == "" {
		return schemacache.Cache{}
	}
	return schemacache.Cache{Dir: filepath.Join(dir, "mcp-oauth-gateway", "schemas")}
}

// remember keeps the tools of a target for completion. A server whose command
// was given has no name to complete them for.
func (a *app) remember(t target, tools []*mcp.Tool) {
	key := t.name
	if key == "" {
		key = clientconfig.MaskURL(t.url)
	}
	cache := a.schemas()
	if key == "" || cache.Dir == "" {
		return
	}
	if err := cache.Put(key, tools, time.Now()); err != nil {
		a.logger().Debug("the tools are not kept for completion", slog.String("error", err.Error()))
	}
}

// cacheKey is what remember would call the target of an argument.
func (a *app) cacheKey(argument string) string {
	if strings.Contains(argument, "://") {
		return clientconfig.MaskURL(argument)
	}
	catalog, err := a.catalog()
	if err != nil {
		return ""
	}
	s, err := catalog.Find(argument)
	if err != nil {
		return ""
	}
	return s.ID()
}
