// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/ask"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/shell"
)

// shellSession is what all lines of a shell share.
type shellSession struct {
	target target
	client *shclient.Client
	known  *knowledge
	talk   *talk

	interrupt atomic.Pointer[context.CancelFunc] // ends the line that runs
}

func (a *app) shellCommand() *cobra.Command {
	var noHistory bool
	var flags talkFlags
	cmd := &cobra.Command{
		Use:   "shell TARGET | -- COMMAND [ARGUMENT...]",
		Short: "Talk to a server interactively, in one session",
		Long: `Talk to a server interactively, in one session. A line is a command of shclient
without the server, or just a tool with its arguments; help lists the commands.
Tab completes commands, tools, arguments, prompts and resources. Ctrl-C cancels
what runs, Ctrl-D ends the shell. raw and watch have a session of their own each.

Lines are kept for the next time, apart from those that begin with a blank. When
stdin is no terminal its lines are run one by one, up to the first that fails.

` + targetHelp,
		Example: `  shclient shell https://example.com/mcp
  shclient shell -- npx -y @modelcontextprotocol/server-everything
  echo 'echo message=hello' | shclient shell https://example.com/mcp`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.onlyTarget(cmd, args)
			if err != nil {
				return err
			}
			return a.shell(cmd, t, &flags, noHistory)
		},
	}
	cmd.Flags().BoolVar(&noHistory, "no-history", false, "neither read nor keep lines of other runs")
	flags.register(cmd.Flags())
	return cmd
}

func (a *app) shell(cmd *cobra.Command, t target, flags *talkFlags, noHistory bool) error {
	k, asking, err := a.newTalk(cmd, t, flags)
	if err != nil {
		return err
	}
	client, err := a.newClient(cmd, t, asking)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.Session(cmd.Context())
	if err != nil {
		return at(t, err)
	}
	if err := k.start(cmd.Context(), session); err != nil {
		return at(t, err)
	}
	run := *a
	run.inside = &shellSession{target: t, client: client, known: &knowledge{client: client}, talk: k}
	in, isFile := a.stdin.(*os.File)
	out, _ := a.stdout.(*os.File)
	if !isFile || !a.screen(a.stdout).Terminal() || !term.IsTerminal(int(in.Fd())) {
		run.stdin = strings.NewReader("") // the script is not for the commands in it
		return run.script(cmd.Context(), a.stdin)
	}
	history, err := shell.OpenHistory(a.historyFile(noHistory))
	if err != nil {
		fmt.Fprintf(a.stderr, "no history: %s\n", oneLine(err.Error()))
	}
	editor := shell.NewEditor(in, out, history, run.completeLine)
	k.asker.ReadLine = run.inside.ask(editor)
	if err := run.interact(cmd.Context(), editor); err != nil {
		return err
	}
	return history.Save()
}

// historyFile is where lines are kept: with what else programs keep for later
// (XDG Base Directory Specification), or with their caches.
func (a *app) historyFile(none bool) string {
	state, set := a.lookupEnv("XDG_STATE_HOME")
	if !set || !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	if none {
		return ""
	}
	return filepath.Join(state, "mcp-oauth-gateway", "shell-history")
}

// script runs lines up to the first that fails.
func (a *app) script(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if over, err := a.line(ctx, lines.Text()); over || err != nil {
			return err
		}
	}
	return lines.Err()
}

// interact runs lines of a person until they have enough. An interrupt ends
// what runs; the end of the process is not for the editor to delay.
func (a *app) interact(ctx context.Context, editor *shell.Editor) error {
	ctx, end := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM, syscall.SIGHUP)
	defer end()
	info := a.inside.known.server(ctx)
	fmt.Fprintf(a.stdout, "%s. Type help for help, Ctrl-D to leave.\n", info)
	for ctx.Err() == nil {
		line, err := editor.ReadLine(ctx, a.inside.known.name(ctx)+"> ")
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			fmt.Fprintln(a.stdout)
			return nil
		}
		if err != nil {
			return err
		}
		over, err := a.interruptible(ctx, line)
		if err != nil {
			a.report(err, explain(err, errors.Is(err, context.Canceled)), false)
		}
		if over {
			return nil
		}
	}
	return nil
}

func (a *app) interruptible(ctx context.Context, line string) (over bool, err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	a.inside.interrupt.Store(&stop)
	return a.line(ctx, line)
}

// ask lets the questions of a server come through the editor, which has the
// terminal. Ctrl-C ends the line that led to the question.
func (s *shellSession) ask(editor *shell.Editor) ask.ReadLine {
	return func(ctx context.Context, prompt string) (string, error) {
		line, err := editor.Ask(ctx, prompt)
		if stop := s.interrupt.Load(); errors.Is(err, shell.ErrInterrupted) && stop != nil {
			(*stop)()
			err = context.Canceled
		}
		return line, err
	}
}

// line runs one line. over says that it was the last one.
func (a *app) line(ctx context.Context, line string) (over bool, err error) {
	words, err := shell.Split(line)
	if err != nil {
		return false, &exitError{failure: failure{code: exitUsage, text: err.Error()}}
	}
	if len(words) == 0 {
		return false, nil
	}
	if slices.Contains([]string{"exit", "quit"}, words[0]) {
		return true, nil
	}
	root := a.shellRoot()
	if found, _, err := root.Find(words); err == nil && found == root && a.inside.known.isTool(ctx, words[0]) {
		words = append([]string{"call"}, words...)
	}
	root.SetArgs(words)
	return false, root.ExecuteContext(ctx)
}

// shellRoot is the tree of the commands that a line may name. It is made anew
// for each, since commands keep the flags that were set.
func (a *app) shellRoot() *cobra.Command {
	root := &cobra.Command{
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(_ *cobra.Command, args []string) error {
			return &exitError{failure: failure{exitUsage, fmt.Sprintf("%q is neither a command nor a tool of this server", args[0]), "help lists the commands, list the tools"}}
		},
		Run: func(*cobra.Command, []string) {},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%v", err) })
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	for _, cmd := range a.sessionCommands() {
		cmd.Use = strings.Replace(cmd.Use, " TARGET", "", 1)
		cmd.Use, _, _ = strings.Cut(cmd.Use, " | -- ")
		cmd.Long = strings.TrimSuffix(cmd.Long, "\n\n"+targetHelp)
		cmd.Example = ""
		root.AddCommand(cmd)
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd != root {
			help(cmd, args)
			return
		}
		for _, cmd := range root.Commands() {
			fmt.Fprintf(a.stdout, "%-10s %s\n", cmd.Name(), cmd.Short)
		}
		fmt.Fprintf(a.stdout, "%-10s Leave\n\nOr a tool with its arguments: %s\n", "exit", "echo message='hello there'")
	})
	return root
}

// sessionCommands are those of a shell. All but raw and watch work within its
// session.
func (a *app) sessionCommands() []*cobra.Command {
	return []*cobra.Command{a.listCommand(), a.callCommand(), a.readCommand(), a.promptCommand(), a.completeCommand(),
		a.rawCommand(), a.watchCommand()}
}
