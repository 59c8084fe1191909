// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/capture"
)

func (a *app) recordCommand() *cobra.Command {
	var file string
	var paths []string
	var keepSecrets bool
	cmd := &cobra.Command{
		Use:   "record TARGET -o FILE",
		Short: "Record what a client and a server say to each other",
		Long: `Record what a client and a server say to each other. This is a server on stdin and
stdout that forwards to TARGET, as "shclient URL" is: put it into the configuration
of a client, or behind -- of another command.

The capture is NDJSON, a line for each message, in a new file that only you can
read. Secrets are taken out: what names such as password, apiKey or access_token
hold, what looks like a token, a cookie or a private key in any text, the values of
--header, and those of variables of the environment with such names. Whatever else
is private stays in: look before you give a capture away. --redact names further
members by their path in the message; * stands for any.

` + targetHelp,
		Example: `  shclient record https://example.com/mcp -o session.ndjson
  shclient record -o session.ndjson --redact params.arguments.ssn -- npx -y some-server
  shclient call echo message=hello -- shclient record https://example.com/mcp -o session.ndjson`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.onlyTarget(cmd, args)
			if err != nil {
				return err
			}
			if file == "" {
				return usage(cmd, "-o FILE is missing: where does the capture go?")
			}
			var redactor *capture.Redactor
			if !keepSecrets {
				if redactor, err = capture.NewRedactor(a.secrets(t), paths); err != nil {
					return usage(cmd, "--redact: %v", err)
				}
			}
			return a.record(cmd, t, file, redactor)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "`file` of the capture, which must not exist")
	cmd.Flags().StringArrayVar(&paths, "redact", nil, "take out what is at this `path` of messages, such as params.arguments.ssn or result.content.*.text")
	cmd.Flags().BoolVar(&keepSecrets, "keep-secrets", false, "take nothing out")
	return cmd
}

func (a *app) record(cmd *cobra.Command, t target, name string, redactor *capture.Redactor) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usage(cmd, "%s exists already", name)
	}
	if err != nil {
		return err
	}
	to, err := capture.NewWriter(file, t.String(), redactor)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	ctx := cmd.Context()
	// Ctrl-C ends the session; the server's process ends with that.
	conn, err := a.dialLines(context.WithoutCancel(ctx), cmd, t, shclient.EraAuto)
	if err != nil {
		file.Close()
		os.Remove(name)
		if t.url == "" {
			return unreachable(t, fmt.Errorf("cannot start %s: %w", t, err))
		}
		return err
	}
	err = capture.Record(ctx, a.stdin, a.stdout, conn.(capture.Conn), to)
	return errors.Join(at(t, err), to.Err(), file.Close())
}

// secrets are what must not be in a capture, as far as it is known here.
func (a *app) secrets(t target) []string {
	var list []string
	add := func(value string) {
		if value = strings.TrimSpace(value); value == "" {
			return
		}
		list = append(list, value)
		if scheme, token, ok := strings.Cut(value, " "); ok && (strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "basic")) {
			list = append(list, token)
		}
	}
	if header, err := a.header(); err == nil {
		for _, values := range header {
			for _, value := range values {
				add(value)
			}
		}
	}
	for _, values := range t.header {
		for _, value := range values {
			add(value)
		}
	}
	for _, variable := range append(os.Environ(), t.env...) {
		if name, value, _ := strings.Cut(variable, "="); capture.IsSecretName(name) {
			add(value)
		}
	}
	for i, arg := range t.command {
		name, value, ok := strings.Cut(arg, "=")
		switch {
		case ok && capture.IsSecretName(name):
			add(value)
		case !ok && strings.HasPrefix(arg, "-") && capture.IsSecretName(arg) && i+1 < len(t.command):
			add(t.command[i+1])
		}
	}
	return list
}
