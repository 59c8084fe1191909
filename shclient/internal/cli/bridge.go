// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/parent"
)

// bridgeFlags are those of the bridge.
type bridgeFlags struct {
	clientEra, serverEra  eraFlag
	allowTools, denyTools []string
	drain                 time.Duration
	silent                bool
}

func (f *bridgeFlags) register(flags *pflag.FlagSet) {
	add(flags, groupBridge, func(flags *pflag.FlagSet) {
		flags.StringArrayVar(&f.allowTools, "allow-tool", nil, "`pattern` of tools that the program sees and calls, with * for any text; all others are hidden")
		flags.StringArrayVar(&f.denyTools, "deny-tool", nil, "`pattern` of tools that are hidden from the program, such as 'delete*'")
		flags.DurationVar(&f.drain, "drain-timeout", time.Second, "how long requests in flight may still be answered when stdin has ended")
		flags.Var(&f.clientEra, "protocol", "`era` that the program on stdin may speak: auto (either), legacy (2024-11-05 to 2025-11-25) or modern (since 2026-07-28)")
		flags.Var(&f.serverEra, "server-protocol", "`era` that the server speaks: auto (it is asked), legacy or modern")
	})
}

// eraFlag is a flag that names an era of the protocol.
type eraFlag struct{ era shclient.Era }

var eraNames = []string{shclient.EraAuto: "auto", shclient.EraLegacy: "legacy", shclient.EraModern: "modern"}

func (f *eraFlag) String() string { return eraNames[f.era] }
func (f *eraFlag) Type() string   { return "ERA" }

func (f *eraFlag) Set(name string) error {
	i := slices.Index(eraNames, name)
	if i < 0 {
		return errors.New("want auto, legacy or modern")
	}
	f.era = shclient.Era(i)
	return nil
}

// bridgeArgs is the check of the arguments of the bridge: a URL, unless the
// environment has it, and perhaps the port of the login as mcp-remote has it.
func (a *app) bridgeArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && a.seedServer() != "" {
		args = []string{a.seedServer()}
	}
	switch {
	case len(args) == 0:
		return usage(cmd, "the URL of an MCP server is missing")
	case len(args) > 2 || len(args) == 2 && !isPort(args[1]):
		return usage(cmd, "too many arguments: want just the URL of an MCP server")
	}
	return checkURL(cmd, args[0])
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// errParent is the cause of an end that nobody is left to hear of.
var errParent = errors.New("the program that started the bridge is gone")

// bridge runs until the program at the other end, a signal, or the end of the
// program that started it. All are the normal end of a bridge.
func (a *app) bridge(cmd *cobra.Command, args []string) error {
	server := a.seedServer()
	if len(args) > 0 {
		server = args[0]
	}
	if len(args) == 2 {
		a.connect.CallbackPort, _ = strconv.Atoi(args[1]) // which was checked
		a.foreign = append(a.foreign, "the port of the login is --callback-port here")
	}
	a.tellForeign()
	a.tellWithoutEffect(server)
	t := target{url: server}
	o, err := a.options(cmd, t)
	if err != nil {
		return err
	}
	b, err := shclient.NewBridge(o, &shclient.BridgeOptions{
		ClientEra: a.bridging.clientEra.era, ServerEra: a.bridging.serverEra.era,
		AllowTools: a.bridging.allowTools, DenyTools: a.bridging.denyTools,
		DrainTimeout: a.bridging.drain,
	})
	if err != nil {
		return usage(cmd, "%s", plain(err))
	}
	if in, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(a.stderr, "This is an MCP server that waits for messages on stdin. To look at the tools: shclient list %s\n", t)
	}
	ctx, end := context.WithCancelCause(cmd.Context())
	defer end(nil)
	stop := parent.Watch(func() { end(errParent) })
	defer stop()
	err = b.Run(ctx, a.stdin, a.stdout)
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return at(t, err)
}
