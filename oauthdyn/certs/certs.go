// SPDX-License-Identifier: Apache-2.0

// Package certs gives commands that serve HTTPS their flags and certificates:
// from files, which are read again when they change, or from an authority by
// ACME (RFC 8555).
//
//	flags := certs.Flags{Program: "example"}
//	flags.Add(command.Flags())
//	…
//	source, err := flags.Open(slog.Default())
//	if err != nil { … }
//	server.TLSConfig = source.Config() // for ListenAndServeTLS("", ""), if flags.On()
//
// It is made for the commands of this project, and changes with them.
package certs

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/exposition"
)

// Flags are what a command line says of certificates. The zero value means that
// there are none.
type Flags struct {
	Program string // names the directory for what ACME needs, if there is no Dir

	CertFile, KeyFile string // PEM

	Hosts     []string // to order certificates for, which accepts the authority's terms
	Dir       string   // for keys and certificates that were ordered
	Email     string   // for the warnings of the authority
	Directory string   // URL of the authority; empty: Let's Encrypt
}

// Add adds the flags, whose names begin with "tls" and "acme".
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.CertFile, "tls-cert", "", "`FILE` with the certificate chain (PEM); read again when it changes")
	flags.StringVar(&f.KeyFile, "tls-key", "", "`FILE` with its key (PEM)")
	flags.StringArrayVar(&f.Hosts, "acme-host", nil, "order certificates for the host `NAME` and accept the authority's terms; port 443 has to lead here; repeatable")
	flags.StringVar(&f.Dir, "acme-dir", "", "`DIR` for certificates and keys (default one in the user's cache directory)")
	flags.StringVar(&f.Email, "acme-email", "", "`ADDRESS` for the authority's warnings")
	flags.StringVar(&f.Directory, "acme-directory", "", "`URL` of another authority than Let's Encrypt")
}

// Check finds flags that do not fit together. It reads no file.
func (f *Flags) Check() error {
	if (f.CertFile == "") != (f.KeyFile == "") {
		return errors.New("--tls-cert and --tls-key need each other")
	}
	if f.CertFile != "" && len(f.Hosts) > 0 {
		return errors.New("--tls-cert and --acme-host exclude each other")
	}
	return f.checkACME()
}

// On reports whether the command does TLS itself.
func (f *Flags) On() bool { return f.CertFile != "" || len(f.Hosts) > 0 }

// A Source is where a server has its certificates from. It is safe for
// concurrent use.
type Source struct {
	config *tls.Config
	pair   *keyPair // nil: ordered ones
	expiry func() time.Time
}

// Open reads the files, or prepares for the first order, which waits for the
// first connection. Without flags the source is nil. What goes wrong later is
// told on log.
func (f *Flags) Open(log *slog.Logger) (*Source, error) {
	switch {
	case f.CertFile != "":
		pair, err := openKeyPair(f.CertFile, f.KeyFile, log)
		if err != nil {
			return nil, err
		}
		return &Source{pair.config(), pair, pair.notAfter}, nil
	case len(f.Hosts) > 0:
		known := new(expiries)
		config, err := f.acme(known, log)
		if err != nil {
			return nil, err
		}
		return &Source{config: config, expiry: known.first}, nil
	}
	return nil, nil
}

// Config is the server's side of TLS, for http.Server.TLSConfig; nil without a
// source.
func (s *Source) Config() *tls.Config {
	if s == nil {
		return nil
	}
	return s.config.Clone()
}

// Reload reads the files now, if there are any. After an error the certificate
// stays as it is.
func (s *Source) Reload() error {
	if s == nil || s.pair == nil {
		return nil
	}
	return s.pair.reload()
}

// NotAfter is when the certificate expires, the first of them if there are
// several hosts. It is zero without a source, and while none of the certificates
// to order was needed by a connection.
func (s *Source) NotAfter() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.expiry()
}

// Metrics writes the metric NAME_certificate_expiry_timestamp_seconds of a
// program: NotAfter, or nothing while that is zero.
func (s *Source) Metrics(w *exposition.Writer, program string) {
	first := s.NotAfter()
	if first.IsZero() {
		return
	}
	w.Family(exposition.Gauge, program+"_certificate_expiry_timestamp_seconds", "When the certificate for TLS expires, the first of them if there are several.")
	w.Sample(float64(first.Unix()))
}
