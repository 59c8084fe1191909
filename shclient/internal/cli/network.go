// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
)

// extraCAsEnv is the variable by which users of Node.js name certificates.
const extraCAsEnv = "NODE_EXTRA_CA_CERTS"

// networkFlags say how connections are made.
type networkFlags struct {
	caFiles []string
	ipv4    bool
}

func (f *networkFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.caFiles, "ca-file", nil, "`file` with certificates in PEM to trust as well as those of the system; or set "+extraCAsEnv)
	flags.BoolVar(&f.ipv4, "ipv4", false, "use IPv4 only, in networks where IPv6 leads nowhere")
}

func (f *networkFlags) network() string {
	if f.ipv4 {
		return "tcp4"
	}
	return ""
}

// trust is which certificates count; nil means those that the system trusts.
func (a *app) trust() (*tls.Config, error) {
	type source struct{ flag, file string }
	var sources []source
	for _, file := range a.connect.caFiles {
		sources = append(sources, source{"--ca-file", file})
	}
	if file, _ := a.lookupEnv(extraCAsEnv); file != "" {
		sources = append(sources, source{extraCAsEnv, file})
	}
	if len(sources) == 0 {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the certificates that the system trusts: %w", err)
	}
	for _, s := range sources {
		text, err := readCertificates(s.file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.flag, err)
		}
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: %s holds no certificate in PEM", s.flag, s.file)
		}
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// maxCertificates bounds a file with certificates, which may be those of a whole
// system.
const maxCertificates = 4 << 20

func readCertificates(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxCertificates+1))
	if err == nil && len(text) > maxCertificates {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxCertificates)
	}
	return text, err
}
