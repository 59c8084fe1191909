// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"unicode"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// maxPasted bounds the line that a person pastes.
const maxPasted = 16 << 10

// showPage decides how a person gets to see the sign-in page: in the browser
// that BROWSER names, in the system's, or as an address that is printed.
func (f *Flags) showPage(cfg *oauthdyn.Config, p Process) {
	if p.Terminal == nil {
		p.Terminal = p.Stdin
	}
	switch {
	case f.NoBrowser && p.Terminal != nil:
		cfg.ReadRedirect = p.askForRedirect
	case f.NoBrowser:
		cfg.OpenURL = func(_ context.Context, page string) error {
			p.print("", page)
			if p.LoginCommand != "" {
				fmt.Fprintf(p.Stderr, "If the browser runs on another machine, log in at a terminal of this one instead:\n\n  %s --no-browser\n\n", p.LoginCommand)
			}
			return nil
		}
	default:
		cfg.OpenURL = p.open
	}
}

func (p Process) print(before, page string) {
	fmt.Fprintf(p.Stderr, "%sOpen this page to log in:\n\n  %s\n\n", before, page)
}

// open opens the page. A browser that does not start is no failure: the person
// can open the page by hand.
func (p Process) open(ctx context.Context, page string) error {
	browser := oauthdyn.Browser{}
	if command, _ := p.LookupEnv("BROWSER"); strings.TrimSpace(command) != "" {
		browser.Command = strings.Fields(command)
		if _, err := exec.LookPath(command); err == nil {
			browser.Command = []string{command} // a path with blanks in it
		}
	}
	err := browser.Open(ctx, page)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) { // canceled: the login is done
		p.print(fmt.Sprintf("The browser does not open (%s). ", oneLine(err.Error())), page)
	}
	return nil
}

// askForRedirect is for a browser on another machine, which cannot reach the
// listener here. Without anybody there, the redirect may still come to the
// listener, through a tunnel for one.
func (p Process) askForRedirect(ctx context.Context, page string) (string, error) {
	p.print("", page)
	fmt.Fprint(p.Stderr, "If the browser runs on another machine, it ends at an address that it cannot open.\nPaste that address here:\n")
	line, err := bufio.NewReader(io.LimitReader(p.Terminal, maxPasted)).ReadString('\n')
	if strings.TrimSpace(line) != "" {
		return line, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "", err
}

// oneLine puts text, which may be a stranger's, on one line.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")
}
