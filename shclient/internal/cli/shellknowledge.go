// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/toolargs"
)

const (
	// knowledgeTimeout is how long a person waits for a completion.
	knowledgeTimeout = 2 * time.Second

	// knowledgeAge is how long the lists of a server are taken to be true.
	knowledgeAge = 30 * time.Second

	maxKnown = 10_000 // entries of each list
)

// knowledge is what completion knows of the server, asked for at need. It is
// for one goroutine.
type knowledge struct {
	client *shclient.Client
	lists  map[string]knownList
}

type knownList struct {
	entries any
	since   time.Time
}

// known gets a list of the server, or what was known of it if it does not
// answer.
func known[T any](ctx context.Context, k *knowledge, kind string, get func(context.Context, *mcp.ClientSession) ([]T, error)) []T {
	old, ok := k.lists[kind]
	entries, _ := old.entries.([]T)
	if ok && time.Since(old.since) < knowledgeAge {
		return entries
	}
	ctx, cancel := context.WithTimeout(ctx, knowledgeTimeout)
	defer cancel()
	session, err := k.client.Session(ctx)
	if err == nil {
		var fresh []T
		if fresh, err = get(ctx, session); err == nil {
			entries = fresh
		}
	}
	if k.lists == nil {
		k.lists = map[string]knownList{}
	}
	k.lists[kind] = knownList{entries, time.Now()}
	return entries
}

func collect[T any](seq func(func(T, error) bool)) (list []T, err error) {
	for entry, err := range seq {
		if err != nil || len(list) == maxKnown {
			return list, err
		}
		list = append(list, entry)
	}
	return list, nil
}

func (k *knowledge) tools(ctx context.Context) []*mcp.Tool {
	return known(ctx, k, "tools", func(ctx context.Context, s *mcp.ClientSession) ([]*mcp.Tool, error) {
		return collect(s.Tools(ctx, nil))
	})
}

func (k *knowledge) prompts(ctx context.Context) []*mcp.Prompt {
	return known(ctx, k, "prompts", func(ctx context.Context, s *mcp.ClientSession) ([]*mcp.Prompt, error) {
		return collect(s.Prompts(ctx, nil))
	})
}

func (k *knowledge) resources(ctx context.Context) []*mcp.Resource {
	return known(ctx, k, "resources", func(ctx context.Context, s *mcp.ClientSession) ([]*mcp.Resource, error) {
		return collect(s.Resources(ctx, nil))
	})
}

// implementation is how the server calls itself, if it does.
func (k *knowledge) implementation(ctx context.Context) *mcp.Implementation {
	if session, err := k.client.Session(ctx); err == nil && session.InitializeResult() != nil {
		return session.InitializeResult().ServerInfo
	}
	return nil
}

// server introduces the server.
func (k *knowledge) server(ctx context.Context) string {
	text := "Connected"
	if info := k.implementation(ctx); info != nil {
		text += " to " + oneLine(info.Name+" "+info.Version)
	}
	if session, err := k.client.Session(ctx); err == nil && session.InitializeResult() != nil {
		text += ", MCP " + oneLine(session.InitializeResult().ProtocolVersion)
	}
	return text
}

// name is short enough for a prompt.
func (k *knowledge) name(ctx context.Context) string {
	if info := k.implementation(ctx); info != nil {
		return cmp.Or(render.Clip(oneLine(info.Name), 24), "mcp")
	}
	return "mcp"
}

func (k *knowledge) isTool(ctx context.Context, name string) bool {
	return slices.ContainsFunc(k.tools(ctx), func(t *mcp.Tool) bool { return t.Name == name })
}

// completeLine is the completion of the shell.
func (a *app) completeLine(words []string, prefix string) []string {
	ctx, k := context.Background(), a.inside.known
	if len(words) == 0 {
		return withPrefix(prefix, slices.Concat(a.shellNames(), toolNames(k.tools(ctx))))
	}
	command, rest := words[0], words[1:]
	if !slices.Contains(a.shellNames(), command) {
		command, rest = "call", words
	}
	switch {
	case strings.HasPrefix(prefix, "-"):
		return withPrefix(prefix, a.flagNames(command))
	case command == "help" && len(rest) == 0:
		return withPrefix(prefix, a.shellNames())
	case command == "list" && len(rest) == 0:
		return withPrefix(prefix, []string{"tools", "resources", "prompts", "templates"})
	case command == "call" && len(rest) == 0:
		return withPrefix(prefix, toolNames(k.tools(ctx)))
	case command == "call":
		return k.arguments(ctx, rest[0], rest[1:], prefix)
	case command == "read" && len(rest) == 0, command == "watch":
		return withPrefix(prefix, resourceURIs(k.resources(ctx)))
	case command == "prompt" && len(rest) == 0:
		return withPrefix(prefix, promptNames(k.prompts(ctx)))
	case command == "prompt":
		return k.promptArguments(ctx, rest[0], rest[1:], prefix)
	}
	return nil
}

// shellNames are the first words of lines, apart from tools.
func (a *app) shellNames() []string {
	names := []string{"help", "exit"}
	for _, cmd := range a.sessionCommands() {
		names = append(names, cmd.Name())
	}
	slices.Sort(names)
	return names
}

func (a *app) flagNames(command string) []string {
	var names []string
	for _, cmd := range a.sessionCommands() {
		if cmd.Name() == command {
			names = append(names, flagNames(cmd)...)
		}
	}
	return names
}

func (k *knowledge) arguments(ctx context.Context, tool string, given []string, prefix string) []string {
	for _, t := range k.tools(ctx) {
		if t.Name == tool {
			if schema, err := toolargs.Parse(t.InputSchema); err == nil {
				return schema.Complete(prefix, given)
			}
		}
	}
	return nil
}

// promptArguments completes the names of arguments itself; their values the
// server does (completion/complete).
func (k *knowledge) promptArguments(ctx context.Context, prompt string, given []string, prefix string) []string {
	i := slices.IndexFunc(k.prompts(ctx), func(p *mcp.Prompt) bool { return p.Name == prompt })
	if i < 0 {
		return nil
	}
	name, value, assigned := strings.Cut(prefix, "=")
	if !assigned {
		var names []string
		for _, argument := range k.prompts(ctx)[i].Arguments {
			if !slices.ContainsFunc(given, func(g string) bool { return strings.HasPrefix(g, argument.Name+"=") }) {
				names = append(names, argument.Name+"=")
			}
		}
		return withPrefix(prefix, names)
	}
	ctx, cancel := context.WithTimeout(ctx, knowledgeTimeout)
	defer cancel()
	session, err := k.client.Session(ctx)
	if err != nil {
		return nil
	}
	params := &mcp.CompleteParams{
		Ref:      &mcp.CompleteReference{Type: "ref/prompt", Name: prompt},
		Argument: mcp.CompleteParamsArgument{Name: name, Value: value},
	}
	if len(given) > 0 {
		params.Context = &mcp.CompleteContext{Arguments: map[string]string{}}
		for _, g := range given {
			before, after, _ := strings.Cut(g, "=")
			params.Context.Arguments[before] = after
		}
	}
	result, err := session.Complete(ctx, params)
	if err != nil {
		return nil
	}
	var list []string
	for _, v := range result.Completion.Values {
		list = append(list, name+"="+v)
	}
	return withPrefix(prefix, list)
}

func toolNames(tools []*mcp.Tool) (names []string) {
	for _, t := range tools {
		names = append(names, t.Name)
	}
	return names
}

func promptNames(prompts []*mcp.Prompt) (names []string) {
	for _, p := range prompts {
		names = append(names, p.Name)
	}
	return names
}

func resourceURIs(resources []*mcp.Resource) (uris []string) {
	for _, r := range resources {
		uris = append(uris, r.URI)
	}
	return uris
}

// withPrefix keeps the entries that begin with a prefix, and that no terminal
// takes for a command.
func withPrefix(prefix string, list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		return !strings.HasPrefix(s, prefix) || render.Line(s) != s
	})
}

// flagNames are the long flags of a command.
func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}
