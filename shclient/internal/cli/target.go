// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
)

// targetHelp is the paragraph about TARGET in the help of every command.
const targetHelp = `TARGET is the URL of a server, or the name of one in the configuration of a known
client. A server on stdio is given as its command instead, after all else: -- COMMAND.`

// A target is the server that a command is about: a URL, or a command that is
// a server on stdio.
type target struct {
	name    string // in a configuration; empty if it was given as it is
	url     string
	header  http.Header // of the configuration
	command []string
	env     []string // further variables of the command, as NAME=value
	dir     string   // of the command; empty means ours
}

// String is the target as it is shown: secrets may hide in queries and
// arguments.
func (t target) String() string {
	switch {
	case t.name != "":
		return t.name
	case t.url != "":
		return withoutQuery(t.url)
	case len(t.command) > 0:
		return t.command[0]
	}
	return "TARGET"
}

// hint is the target as hints repeat it behind the name of a command.
func (t target) hint() string {
	if t.name == "" && t.url == "" {
		return "-- " + t.String() + " …"
	}
	return t.String()
}

// target takes the target from the arguments of a command, and returns the
// others. What stands behind -- is a server's command; else the first argument
// is the URL or the name. Within a shell it is always that of the shell.
func (a *app) target(cmd *cobra.Command, args []string) (t target, rest []string, err error) {
	if a.inside != nil {
		return a.inside.target, args, nil
	}
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		if dash == len(args) {
			return t, nil, usage(cmd, "the command after -- is missing")
		}
		return target{command: args[dash:]}, args[:dash], nil
	}
	if len(args) == 0 && a.seedServer() != "" {
		args = []string{a.seedServer()}
	}
	if len(args) == 0 {
		return t, nil, usage(cmd, "the server is missing: want its URL, a name, or -- and its command")
	}
	if strings.Contains(args[0], "://") {
		return target{url: args[0]}, args[1:], checkURL(cmd, args[0])
	}
	t, err = a.lookupTarget(cmd, args[0])
	return t, args[1:], err
}

// onlyTarget is target for commands that take nothing else.
func (a *app) onlyTarget(cmd *cobra.Command, args []string) (target, error) {
	t, rest, err := a.target(cmd, args)
	if err == nil && len(rest) > 0 {
		err = usage(cmd, "too many arguments: want just the server")
	}
	return t, err
}

// urlTarget is onlyTarget for commands about logins, which servers on stdio do
// not have.
func (a *app) urlTarget(cmd *cobra.Command, args []string) (target, error) {
	t, err := a.onlyTarget(cmd, args)
	if err == nil && t.url == "" {
		err = usage(cmd, "%s is a command, and takes no login of ours: want the URL of a server", t)
	}
	return t, err
}

// options are those of the library for a target with a URL. Headers of the
// flags replace those of the configuration.
func (a *app) options(cmd *cobra.Command, t target) (shclient.Options, error) {
	o := shclient.Options{URL: t.url, Logger: a.logger(), Header: http.Header{}}
	header, err := a.header()
	if err != nil {
		return o, usage(cmd, "%v", err)
	}
	maps.Copy(o.Header, t.header)
	maps.Copy(o.Header, header)
	if o.TLSConfig, err = a.trust(); err != nil {
		return o, usage(cmd, "%v", err)
	}
	o.Network = a.connect.network()
	exposed := isExposed(t.url)
	if exposed && !a.connect.allowHTTP {
		return o, usage(cmd, "%s is an http URL of another machine: want https, or --allow-http in a network that you trust", withoutQuery(t.url))
	}
	if o.Header.Get("Authorization") == "" && !exposed {
		o.OAuth, err = a.oauth(cmd, t.url)
	}
	return o, err
}

// withClient runs f with a client for the target, and closes its session after
// it. client says who asks, and handles what the server asks back; it may be
// nil. Errors come back with the target, for hints. Within a shell the client is
// that of the shell, and stays open.
func (a *app) withClient(cmd *cobra.Command, t target, client *mcp.Client, f func(context.Context, *shclient.Client) error) error {
	if a.inside != nil {
		return at(t, f(cmd.Context(), a.inside.client))
	}
	c, err := a.newClient(cmd, t, client)
	if err != nil {
		return err
	}
	err = f(cmd.Context(), c)
	_ = c.Close() // the result is there; a server that minds the farewell changes nothing
	return at(t, err)
}

func (a *app) newClient(cmd *cobra.Command, t target, client *mcp.Client) (*shclient.Client, error) {
	if t.url == "" {
		return shclient.NewOver(&commandTransport{a, t}, client), nil
	}
	o, err := a.options(cmd, t)
	if err != nil {
		return nil, err
	}
	c, err := shclient.New(o, client)
	if err != nil {
		return nil, usage(cmd, "%s", plain(err))
	}
	return c, nil
}

// withSession is withClient for commands that need the SDK's session.
func (a *app) withSession(cmd *cobra.Command, t target, client *mcp.Client, f func(context.Context, *mcp.ClientSession) error) error {
	return a.withClient(cmd, t, client, func(ctx context.Context, c *shclient.Client) error {
		session, err := c.Session(ctx)
		if err != nil {
			return err
		}
		return f(ctx, session)
	})
}

// commandTransport is the SDK's way to a server on stdio.
type commandTransport struct {
	app    *app
	target target
}

func (t *commandTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	conn, err := t.app.startCommand(context.WithoutCancel(ctx), t.target)
	if err != nil {
		return nil, &exitError{failure{exitUnreachable, fmt.Sprintf("cannot start %s: %s", t.target, plain(err)), "check the command behind --"}, err}
	}
	return (&mcp.IOTransport{Reader: conn, Writer: conn, MaxLineLength: maxLine}).Connect(ctx)
}
