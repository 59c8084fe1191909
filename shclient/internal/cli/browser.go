// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// opener shows the login page to the user: in the browser that BROWSER names,
// in the system's, or by printing the address.
func (a *app) opener() func(ctx context.Context, url string) error {
	if a.connect.noBrowser {
		return func(_ context.Context, url string) error {
			fmt.Fprintf(a.stderr, "Open this page to log in:\n\n  %s\n\n", url)
			return nil
		}
	}
	browser := oauthdyn.Browser{}
	if command, _ := a.lookupEnv("BROWSER"); strings.TrimSpace(command) != "" {
		browser.Command = strings.Fields(command)
		if _, err := exec.LookPath(command); err == nil {
			browser.Command = []string{command} // a path with blanks in it
		}
	}
	return func(ctx context.Context, url string) error {
		err := browser.Open(ctx, url)
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) { // canceled: the login is done
			fmt.Fprintf(a.stderr, "The browser does not open (%s). Open this page to log in:\n\n  %s\n\n", oneLine(err.Error()), url)
		}
		return nil
	}
}
