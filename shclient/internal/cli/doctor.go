// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	oauthdoctor "github.com/atrawog/mcp-oauth-gateway/oauthdyn/doctor"
	"github.com/atrawog/mcp-oauth-gateway/shclient"
	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "doctor TARGET",
		Short: "Find out why a server cannot be used",
		Long: `Go the way to a server as a client does, say where it breaks and what to do. At a URL:
proxy, name, connection, certificate, HTTP, the metadata of the authorization server, the
login that is kept, a session and its first call. Of a command: its program, its start,
what it writes to stdout and stderr, a session and its first call, and its end.

Nobody is asked to sign in. The exit status is 0 if nothing is broken, 3 if it is the
login, else 4. Numbers like C14 are those of oauthdyn's docs/requirements.md.

` + targetHelp,
		Example: `  shclient doctor https://example.com/mcp
  shclient doctor cursor:github
  shclient doctor -- npx -y @modelcontextprotocol/server-everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.onlyTarget(cmd, args)
			if err != nil {
				return err
			}
			return a.doctor(cmd, t, timeout, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON document")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait for each step; longer for a command that is downloaded first")
	return cmd
}

func (a *app) doctor(cmd *cobra.Command, t target, timeout time.Duration, asJSON bool) error {
	o := doctor.Options{Name: t.String(), Hint: t.hint(), URL: t.url, Command: t.command, Dir: t.dir, Timeout: timeout, Logger: a.logger()}
	if t.url != "" {
		options, err := a.options(cmd, t)
		if err != nil {
			return err
		}
		o.Transport = plainTransport(options)
		o.Network = options.Network
		o.Header, o.OAuth = options.Header, options.OAuth
		o.Connect = func(login *oauthdyn.Config) (*shclient.Client, error) {
			options.OAuth = login
			return shclient.New(options, nil)
		}
	} else {
		o.Start = func(ctx context.Context, stderr io.Writer, ended func(error)) (io.ReadWriteCloser, error) {
			return startProcess(ctx, t, stderr, ended)
		}
	}
	report, err := doctor.Examine(cmd.Context(), o)
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(a.stdout, report)
	} else {
		_, err = io.WriteString(a.stdout, doctorText(report))
	}
	broken := report.Broken()
	if err != nil || broken == nil {
		return err
	}
	f := failure{code: exitUnreachable, text: t.String() + " cannot be used: " + broken.Found, hint: broken.Remedy}
	if report.BrokenIn() == doctor.Authorization {
		f.code = exitAuth
	}
	return &exitError{failure: f}
}

// plainTransport makes connections as the client of the options does, one for
// each request, so that each step can be seen.
func plainTransport(o shclient.Options) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	if o.TLSConfig != nil {
		t.TLSClientConfig = o.TLSConfig.Clone()
	}
	if dial := t.DialContext; o.Network != "" {
		t.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, o.Network, address) }
	}
	return t
}

// doctorWidth is how long the lines of a report become, in characters.
const doctorWidth = 80

func doctorText(r *doctor.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, over %s\n", oneLine(r.Target), r.Transport)
	var all []doctor.Check
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n%s\n\n%s", s.Name, oauthdoctor.Text(s.Checks, doctorWidth))
		all = append(all, s.Checks...)
	}
	fmt.Fprintf(&b, "\n%s\n", oauthdoctor.Tally(all))
	return b.String()
}
