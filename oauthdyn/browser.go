// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// launchTime is how long a browser command has to report failure. One that
// still runs then is taken to be the browser itself.
const launchTime = 2 * time.Second

// Browser opens pages in a web browser. The zero value is the system's default
// browser.
type Browser struct {
	// Command is a program with its arguments. "%s" in an argument stands for
	// the URL; without one the URL becomes the last argument. Empty means
	// xdg-open, or its counterpart on macOS and Windows.
	Command []string
}

// OpenBrowser opens a page in the system's default browser; see [Browser.Open].
func OpenBrowser(ctx context.Context, pageURL string) error {
	return Browser{}.Open(ctx, pageURL)
}

// Open opens a page. It passes the URL as one argument to a program, never
// through a shell, and refuses URLs other than https, and http on a loopback
// host (MCP security best practices). It returns once the program has ended
// well or has run for two seconds; the browser outlives ctx.
func (b Browser) Open(ctx context.Context, pageURL string) error {
	u, err := parseBrowserURL(pageURL)
	if err != nil {
		return err
	}
	command := b.commandLine(u.String())
	cmd := exec.Command(command[0], command[1:]...) // without ctx: it must not end with the login
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start browser: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }() // ends with the browser
	timer := time.NewTimer(launchTime)
	defer timer.Stop()
	select {
	case err := <-exited:
		if err != nil {
			return fmt.Errorf("browser command %s: %w", command[0], err)
		}
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b Browser) commandLine(pageURL string) []string {
	if len(b.Command) > 0 {
		line := slices.Clone(b.Command)
		placed := false
		for i, arg := range line[1:] {
			if strings.Contains(arg, "%s") {
				line[i+1] = strings.ReplaceAll(arg, "%s", pageURL)
				placed = true
			}
		}
		if !placed {
			line = append(line, pageURL)
		}
		return line
	}
	switch runtime.GOOS {
	case "darwin":
		return []string{"open", pageURL}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", pageURL}
	default:
		return []string{"xdg-open", pageURL}
	}
}

// parseBrowserURL accepts what may be shown to a person for signing in.
func parseBrowserURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("authorization URL is not a URL")
	}
	switch {
	case u.Host == "" || u.Hostname() == "" || u.User != nil:
		return nil, errors.New("authorization URL has no plain host")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u):
		return u, nil
	default:
		return nil, fmt.Errorf("authorization URL of scheme %q is refused: want https, or http on a loopback host", u.Scheme)
	}
}

// isLoopback reports whether a URL names this machine, without a look-up.
func isLoopback(u *url.URL) bool {
	host := u.Hostname()
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
