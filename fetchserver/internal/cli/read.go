// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// A reading is a run of a command that reads pages itself, with the settings of
// the server that are about pages.
type reading struct {
	*app
	*config
	cmd     *cobra.Command
	headers []string
	raw     bool
	prompt  bool
	json    bool
}

// readCommand makes a command of which do is the work. Flags of its own come
// from add.
func (a *app) readCommand(cmd *cobra.Command, add func(*reading, *pflag.FlagSet), do func(context.Context, *reading, []string) error) *cobra.Command {
	c := &config{environment: a.environment}
	c.logging.level = "warn"
	r := &reading{app: a, config: c, cmd: cmd}
	own := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	own.SortFlags = false
	add(r, own)
	own.BoolVar(&r.raw, "raw", false, "the HTML of a page as it is")
	own.BoolVar(&r.prompt, "prompt", false, "as the prompt, which a person chooses: robots.txt is not asked")
	own.StringArrayVar(&r.headers, "header", nil, "send `'NAME: VALUE'` to the site; ${VARIABLE} stands for one of the environment; repeatable")
	cmd.Flags().AddFlagSet(own)
	groups, all := c.register(cmd, false)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := c.complete(all); err != nil {
			return err
		}
		a.running = true
		return do(a.signals.Stop, r, args)
	}
	setHelp(cmd, append([]helpGroup{{title: "Flags", flags: own}}, groups...))
	return cmd
}

// open makes the server. What it needs is closed by end.
func (r *reading) open(mend func(*fetchserver.Options)) (s *fetchserver.Server, header http.Header, end func(), err error) {
	if header, err = r.header(); err != nil {
		return nil, nil, nil, err
	}
	log, done, err := r.logger(r.stderr)
	if err != nil {
		return nil, nil, nil, err
	}
	for name := range header {
		r.allowHeaders = append(r.allowHeaders, name) // whoever runs this is the operator
	}
	s, parts, err := r.server(log, mend)
	if err != nil {
		done()
		return nil, nil, nil, err
	}
	return s, header, func() {
		s.Close()
		parts.Close()
		done()
	}, nil
}

// header reads the values of --header. The error does not repeat a value, which
// may be a secret.
func (r *reading) header() (http.Header, error) {
	header := http.Header{}
	for _, text := range r.headers {
		name, value, ok := strings.Cut(text, ":")
		name = strings.TrimSpace(name)
		if !ok || !consistsOf(name, tchar) {
			return nil, &usageError{text: "--header wants 'NAME: VALUE'"}
		}
		value, err := configfile.Expand(strings.TrimSpace(value), r.config.environment.lookup)
		if err != nil {
			return nil, &usageError{text: "--header " + name + ": " + err.Error()}
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
			return nil, &usageError{text: "--header " + name + ": the value must be one line"}
		}
		header.Set(name, value)
	}
	return header, nil
}

// silent is the log of what nobody asked to hear of.
var silent = slog.New(slog.DiscardHandler)
