// SPDX-License-Identifier: Apache-2.0

// Package signin is how a command line program signs its user in: which flags
// it has for that, in which file it keeps logins, and how it shows the sign-in
// page. Programs that use it are one client to authorization servers, so that
// what one of them got serves the others:
//
//	var flags signin.Flags
//	flags.Add(command.Flags())
//	…
//	cfg, err := flags.Config("https://mcp.example.com/mcp", signin.Process{LookupEnv: os.LookupEnv, Stderr: os.Stderr})
//	client, err := oauthdyn.New(*cfg)
package signin

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// ClientName is what consent pages call the programs that share their logins.
// Registrations and grants are kept under it.
const ClientName = "shclient"

// Flags are the settings of a sign-in that a user has. The zero value is that
// of no flags.
type Flags struct {
	ClientID         string        // of a client that was registered by hand
	ClientSecretFile string        // with its secret; see ReadSecret
	Scopes           []string      // to ask for
	NoBrowser        bool          // the page is printed instead of opened
	CallbackPort     int           // of the redirect URI; 0 means any
	AuthTimeout      time.Duration // how long a person has
	Credentials      string        // file that keeps logins; empty means the one of all programs
}

// Add defines the flags of a program that signs in when it has to.
func (f *Flags) Add(flags *pflag.FlagSet) {
	f.AddClient(flags)
	f.AddLogin(flags)
}

// AddClient defines the flags that say who signs in, and where that is kept.
func (f *Flags) AddClient(flags *pflag.FlagSet) {
	flags.StringVar(&f.ClientID, "client-id", "", "`id` of a client registered by hand")
	flags.StringVar(&f.ClientSecretFile, "client-secret-file", "", "`file` with that client's secret")
	flags.StringVar(&f.Credentials, "credentials", "", "`file` that keeps logins (default: mcp-oauth-gateway/credentials.json in the configuration directory)")
}

// AddLogin defines the flags of a login.
func (f *Flags) AddLogin(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.Scopes, "scope", nil, "`scopes` to ask for (default: what the server suggests)")
	flags.BoolVar(&f.NoBrowser, "no-browser", false, "print the login URL instead of opening it")
	flags.IntVar(&f.CallbackPort, "callback-port", 0, "`port` on which the login comes back (default: any free one)")
	flags.DurationVar(&f.AuthTimeout, "auth-timeout", oauthdyn.DefaultLoginTimeout, "how long to wait for the login")
}

// Process is what a sign-in needs of the running program.
type Process struct {
	// LookupEnv finds BROWSER, a command that opens a page, and
	// XDG_CONFIG_HOME. Required.
	LookupEnv func(name string) (value string, ok bool)

	// Stderr is where the person reads what to do. Required.
	Stderr io.Writer

	// Stdin is where a person can paste the address that a browser on another
	// machine ended at, if Flags.NoBrowser. Nil: nowhere.
	Stdin io.Reader

	// Logger hears what happens. Nil: none.
	Logger *slog.Logger
}

// Config is the configuration of the sign-in to a resource. The error is one of
// a file that cannot be read.
func (f *Flags) Config(resource string, p Process) (*oauthdyn.Config, error) {
	store, err := f.Store(p)
	if err != nil {
		return nil, err
	}
	cfg := &oauthdyn.Config{
		Resource:     resource,
		ClientName:   ClientName,
		ClientID:     f.ClientID,
		Scopes:       strings.Fields(strings.Join(f.Scopes, " ")), // both spellings of a list
		CallbackPort: f.CallbackPort,
		LoginTimeout: f.AuthTimeout,
		Store:        store,
		Logger:       p.Logger,
	}
	if f.ClientSecretFile != "" {
		if cfg.ClientSecret, err = ReadSecret(f.ClientSecretFile, p.Stdin); err != nil {
			return nil, fmt.Errorf("--client-secret-file: %w", err)
		}
	}
	f.showPage(cfg, p)
	return cfg, nil
}

// Store is the file that keeps the logins of this user.
func (f *Flags) Store(p Process) (oauthdyn.CredentialStore, error) {
	name, err := f.CredentialFile(p)
	if err != nil {
		return nil, err
	}
	return oauthdyn.NewFileStore(name), nil
}

// CredentialFile is the name of the file that keeps the logins of this user:
// mcp-oauth-gateway/credentials.json in XDG_CONFIG_HOME if that is set, else in
// os.UserConfigDir.
func (f *Flags) CredentialFile(p Process) (string, error) {
	if f.Credentials != "" {
		return f.Credentials, nil
	}
	dir, _ := p.LookupEnv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("no place for credentials: %w; name a file with --credentials", err)
		}
	}
	return filepath.Join(dir, "mcp-oauth-gateway", "credentials.json"), nil
}
