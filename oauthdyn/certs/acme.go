// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

func (f *Flags) checkACME() error {
	if len(f.Hosts) == 0 {
		if f.Dir != "" || f.Email != "" || f.Directory != "" {
			return errors.New("--acme-dir, --acme-email and --acme-directory need --acme-host")
		}
		return nil
	}
	for _, host := range f.Hosts {
		if !strings.Contains(strings.Trim(host, "."), ".") || strings.ContainsAny(host, ":/* ") {
			return fmt.Errorf("--acme-host %q: want the full name of a host, like mcp.example.com", host)
		}
	}
	if f.Directory != "" {
		if u, err := url.Parse(f.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("--acme-directory %q: want an https address", f.Directory)
		}
	}
	return nil
}

// acme is the server's side of TLS with certificates that are ordered when
// they are needed first, and renewed in time. Control of the names is shown on
// the same port (TLS-ALPN-01, RFC 8737).
func (f *Flags) acme(known *expiries, log *slog.Logger) (*tls.Config, error) {
	dir := f.Dir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("--acme-host needs --acme-dir: %w", err)
		}
		dir = filepath.Join(cache, f.Program, "acme")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--acme-dir: %w", err)
	}
	manager := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(dir),
		HostPolicy: autocert.HostWhitelist(f.Hosts...),
		Email:      f.Email,
	}
	if f.Directory != "" {
		manager.Client = &acme.Client{DirectoryURL: f.Directory}
	}
	config := manager.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := manager.GetCertificate(hello)
		if err == nil && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
			known.note(hello.ServerName, certificate.Leaf)
		}
		if err != nil && slices.Contains(f.Hosts, hello.ServerName) { // not what strangers ask for
			log.LogAttrs(hello.Context(), slog.LevelError, "no certificate to be had",
				slog.String("host", hello.ServerName), slog.String("error", strings.Join(strings.Fields(err.Error()), " ")))
		}
		return certificate, err
	}
	return config, nil
}

// expiries knows when the certificates expire that connections got last. There
// are as many as hosts.
type expiries struct {
	mu     sync.Mutex
	byHost map[string]time.Time // guarded by mu
}

func (e *expiries) note(host string, leaf *x509.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byHost == nil {
		e.byHost = map[string]time.Time{}
	}
	e.byHost[strings.ToLower(strings.TrimSuffix(host, "."))] = leaf.NotAfter
}

// first is zero if none is known.
func (e *expiries) first() (first time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.byHost {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}
