// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// acmeFlags say from whom certificates are had (RFC 8555) and for which names.
type acmeFlags struct {
	hosts     []string
	dir       string
	email     string
	directory string
}

func (a *acmeFlags) check() error {
	if len(a.hosts) == 0 {
		if a.dir != "" || a.email != "" || a.directory != "" {
			return errors.New("--acme-dir, --acme-email and --acme-directory need --acme-host")
		}
		return nil
	}
	for _, host := range a.hosts {
		if !strings.Contains(strings.Trim(host, "."), ".") || strings.ContainsAny(host, ":/* ") {
			return fmt.Errorf("--acme-host %q: want the full name of a host, like mcp.example.com", host)
		}
	}
	if a.directory != "" {
		if u, err := url.Parse(a.directory); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("--acme-directory %q: want an https address", a.directory)
		}
	}
	return nil
}

// config is the server's side of TLS with certificates that are ordered when
// they are needed first, and renewed in time. Control of the names is shown on
// the same port (TLS-ALPN-01, RFC 8737).
func (a *acmeFlags) config(log *slog.Logger) (*tls.Config, error) {
	dir := a.dir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, &usageError{text: "--acme-host needs --acme-dir: " + err.Error()}
		}
		dir = filepath.Join(cache, "shproxy", "acme")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--acme-dir: %w", err)
	}
	manager := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(dir),
		HostPolicy: autocert.HostWhitelist(a.hosts...),
		Email:      a.email,
	}
	if a.directory != "" {
		manager.Client = &acme.Client{DirectoryURL: a.directory}
	}
	config := manager.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := manager.GetCertificate(hello)
		if err != nil && slices.Contains(a.hosts, hello.ServerName) { // not what strangers ask for
			log.LogAttrs(hello.Context(), slog.LevelError, "no certificate to be had",
				slog.String("host", hello.ServerName), slog.String("error", oneLine(err.Error())))
		}
		return certificate, err
	}
	return config, nil
}
