// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// config is where spans go, and how.
type config struct {
	endpoint string // "" if nothing is to be sent
	headers  map[string]string
	gzip     bool
	timeout  time.Duration
	tls      *tls.Config
}

// tracesPath is appended to the URL of a collector.
const tracesPath = "/v1/traces"

// maxTimeout bounds OTEL_EXPORTER_OTLP_TIMEOUT.
const maxTimeout = 30 * time.Second

// readConfig follows "OpenTelemetry Protocol Exporter" of the OpenTelemetry
// specification: what is set for traces wins over what is set for all signals.
func readConfig(flag string, lookup func(string) (string, bool)) (c config, err error) {
	env := func(name string) string {
		value, _ := lookup(name)
		return strings.TrimSpace(value)
	}
	both := func(name string) (value, from string) {
		for _, from := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
			if value := env(from); value != "" {
				return value, from
			}
		}
		return "", ""
	}
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return c, nil
	}
	from := "--otlp-endpoint"
	if c.endpoint = flag; flag == "" {
		if exporter := env("OTEL_TRACES_EXPORTER"); exporter != "" && exporter != "otlp" {
			return c, nil
		}
		if protocol, _ := both("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
			return c, nil // the variables are about something else than HTTP with Protocol Buffers
		}
		if c.endpoint, from = both("ENDPOINT"); c.endpoint == "" {
			return c, nil
		}
	}
	u, err := url.Parse(c.endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return c, fmt.Errorf("%s must be like http://127.0.0.1:4318, the URL of a collector that takes OTLP over HTTP; secrets belong into OTEL_EXPORTER_OTLP_HEADERS", from)
	}
	if path := strings.TrimRight(u.Path, "/"); !strings.HasSuffix(path, tracesPath) && from != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" {
		u.Path = path + tracesPath
	}
	c.endpoint = u.String()
	if value, from := both("HEADERS"); value != "" {
		if c.headers, err = parseHeaders(value); err != nil {
			return c, fmt.Errorf("%s: %w", from, err)
		}
	}
	switch value, from := both("COMPRESSION"); value {
	case "", "none":
	case "gzip":
		c.gzip = true
	default:
		return c, fmt.Errorf("%s is %q, not gzip or none", from, value)
	}
	c.timeout = 10 * time.Second
	if value, from := both("TIMEOUT"); value != "" {
		ms, err := strconv.ParseUint(value, 10, 31)
		if err != nil || ms == 0 {
			return c, fmt.Errorf("%s is %q, not a number of milliseconds", from, value)
		}
		c.timeout = min(time.Duration(ms)*time.Millisecond, maxTimeout)
	}
	authority, _ := both("CERTIFICATE")
	cert, _ := both("CLIENT_CERTIFICATE")
	key, _ := both("CLIENT_KEY")
	c.tls, err = tlsConfig(authority, cert, key)
	return c, err
}

// parseHeaders reads NAME=VALUE,NAME=VALUE with percent-encoded values. What is
// wrong is not shown: values are secrets.
func parseHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	for member := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(member, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil || strings.ContainsAny(name+value, "\r\n\x00") {
			return nil, fmt.Errorf("it must be like NAME=VALUE,NAME=VALUE, with other characters percent-encoded")
		}
		headers[http.CanonicalHeaderKey(name)] = value
	}
	return headers, nil
}

// tlsConfig is nil if the files are the usual ones.
func tlsConfig(authority, cert, key string) (*tls.Config, error) {
	if authority == "" && cert == "" && key == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if authority != "" {
		data, err := os.ReadFile(authority)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: there is no certificate in %s", authority)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
