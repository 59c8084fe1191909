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
//
// It is made for the commands of this project, and changes with them.
package signin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
)

// ClientName is what consent pages call the programs that share their logins.
// Registrations and grants are kept under it.
const ClientName = "shclient"

// AskPause is how long a program waits, after somebody was asked to sign in and
// did not, until it asks again of its own accord.
const AskPause = 10 * time.Minute

// Flags are the settings of a sign-in that a user has. The zero value is that
// of no flags.
type Flags struct {
	ClientID          string        // of a client that was registered by hand
	ClientSecretFile  string        // with its secret; see ReadSecret
	ClientMetadataURL string        // of a client ID metadata document
	ClientKeyFile     string        // with a private key in PEM, for private_key_jwt
	ClientKeyID       string        // of that key; empty means its thumbprint
	ClientCredentials bool          // the program signs in itself
	AssertionFile     string        // with a JWT in which a platform vouches for the program
	Enterprise        Enterprise    // an organization decides
	DPoP              bool          // tokens are bound to a key, and others are refused
	AuthServer        string        // issuer to use; empty means one that the resource names
	Scopes            []string      // to ask for
	AuthorizeParams   []string      // NAME=VALUE to add to the request for a login
	NoBrowser         bool          // the page is printed instead of opened
	Device            bool          // a person signs in on another machine, with a code
	CallbackPort      int           // of the redirect URI; 0 means any
	AuthTimeout       time.Duration // how long a person has; 0 means oauthdyn.DefaultLoginTimeout
	Credentials       string        // file that keeps logins; empty means the one of all programs
}

// Variables that hold secrets, for those who have no file for them.
const (
	EnvClientSecret = "OAUTHDYN_CLIENT_SECRET"
	EnvClientKey    = "OAUTHDYN_CLIENT_KEY"
)

// Add defines the flags of a program that signs in when it has to.
func (f *Flags) Add(flags *pflag.FlagSet) {
	f.AddClient(flags)
	f.AddLogin(flags)
}

// AddClient defines the flags that say who signs in, and where that is kept.
func (f *Flags) AddClient(flags *pflag.FlagSet) {
	flags.StringVar(&f.ClientID, "client-id", "", "`id` of a client registered by hand")
	flags.StringVar(&f.ClientSecretFile, "client-secret-file", "", "`file` with that client's secret; or set "+EnvClientSecret)
	flags.StringVar(&f.ClientMetadataURL, "client-metadata-url", "", "`URL` of a client ID metadata document, which is the client id where the server supports that")
	flags.StringVar(&f.ClientKeyFile, "client-key-file", "", "`file` with a private key in PEM, to authenticate by private_key_jwt; or set "+EnvClientKey)
	flags.StringVar(&f.ClientKeyID, "client-key-id", "", "`id` of that key (default: its JWK thumbprint)")
	flags.BoolVar(&f.ClientCredentials, "client-credentials", false, "the program signs in itself, with its secret or key; nobody is asked")
	flags.StringVar(&f.AssertionFile, "assertion-file", "", "`file` with a JWT in which a platform vouches for the program (RFC 7523); read each time")
	f.Enterprise.add(flags)
	flags.StringVar(&f.AuthServer, "auth-server", "", "`URL` of the authorization server to use (default: the first usable one that the MCP server names)")
	flags.StringVar(&f.Credentials, "credentials", "", "`file` that keeps logins (default: mcp-oauth-gateway/credentials.json in the configuration directory)")
}

// AddLogin defines the flags of a login.
func (f *Flags) AddLogin(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.Scopes, "scope", nil, "`scopes` to ask for (default: what the server suggests)")
	flags.StringArrayVar(&f.AuthorizeParams, "authorize-param", nil, "`NAME=VALUE` to add to the request for a login, as access_type=offline for Google; repeatable")
	flags.BoolVar(&f.NoBrowser, "no-browser", false, "print the login URL instead of opening it")
	flags.BoolVar(&f.Device, "device", false, "sign in with a code, on any other machine (RFC 8628)")
	flags.BoolVar(&f.DPoP, "dpop", false, "ask for a token that is bound to a key (RFC 9449), and take no other")
	flags.IntVar(&f.CallbackPort, "callback-port", 0, "`port` on which the login comes back (default: any free one)")
	f.AuthTimeout = oauthdyn.DefaultLoginTimeout
	flags.Var((*patience)(&f.AuthTimeout), "auth-timeout", "how long to wait for the login")
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

	// Terminal is where a person can paste it in a program that has another use
	// for its standard input. Nil: Stdin.
	Terminal io.Reader

	// LoginCommand is what a person can run at a terminal, for a program in front
	// of which there is nobody. It is shown where nothing can be pasted, and when
	// nobody is asked any more. Empty: nothing.
	LoginCommand string

	// TLSConfig and Network are those of oauthdyn.Config.
	TLSConfig *tls.Config
	Network   string

	// Logger hears what happens. Nil: none.
	Logger *slog.Logger
}

// Config is the configuration of the sign-in to a resource. The error is one of
// a file that cannot be read, or of flags that exclude each other.
func (f *Flags) Config(resource string, p Process) (*oauthdyn.Config, error) {
	store, err := f.Store(p)
	if err != nil {
		return nil, err
	}
	cfg := &oauthdyn.Config{
		Resource:          resource,
		AuthServer:        f.AuthServer,
		ClientName:        ClientName,
		ClientID:          f.ClientID,
		ClientMetadataURL: f.ClientMetadataURL,
		DPoP:              f.DPoP,
		Scopes:            strings.Fields(strings.Join(f.Scopes, " ")), // both spellings of a list
		CallbackPort:      f.CallbackPort,
		LoginTimeout:      f.AuthTimeout,
		AskPause:          AskPause,
		Store:             store,
		Logger:            p.Logger,
		TLSConfig:         p.TLSConfig,
		Network:           p.Network,
	}
	if cfg.AuthorizeParams, err = f.authorizeParams(); err != nil {
		return nil, err
	}
	if cfg.Flow, err = f.flow(p); err != nil {
		return nil, err
	}
	if err := f.authenticate(cfg, p); err != nil {
		return nil, err
	}
	if p.LoginCommand != "" {
		cfg.SignInHint = "run " + p.LoginCommand
	}
	f.showPage(cfg, p)
	return cfg, nil
}

func (f *Flags) authorizeParams() (url.Values, error) {
	params := url.Values{}
	for _, text := range f.AuthorizeParams {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--authorize-param %q is not NAME=VALUE", text)
		}
		params.Add(name, value)
	}
	return params, nil
}

// authenticate finds the secret or the key of the client.
func (f *Flags) authenticate(cfg *oauthdyn.Config, p Process) (err error) {
	switch {
	case f.ClientSecretFile != "":
		if cfg.ClientSecret, err = ReadSecret(f.ClientSecretFile, p.Stdin); err != nil {
			return fmt.Errorf("--client-secret-file: %w", err)
		}
	case f.ClientID != "" && f.ClientKeyFile == "":
		cfg.ClientSecret, _ = p.LookupEnv(EnvClientSecret)
	}
	if cfg.ClientSecret == "" || f.ClientKeyFile != "" {
		cfg.ClientKey, err = f.clientKey(p)
		cfg.ClientKeyID = f.ClientKeyID
	}
	return err
}

// patience is a flag for a duration. A plain number means seconds, as the
// commands have it that this one replaces.
type patience time.Duration

func (p *patience) String() string { return time.Duration(*p).String() }
func (p *patience) Type() string   { return "duration" }

func (p *patience) Set(text string) error {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		*p = patience(time.Duration(seconds) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("want a duration such as 5m or 90s")
	}
	*p = patience(d)
	return nil
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
// f.Credentials, or else mcp-oauth-gateway/credentials.json, in XDG_CONFIG_HOME if
// that is an absolute path, else in os.UserConfigDir.
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
