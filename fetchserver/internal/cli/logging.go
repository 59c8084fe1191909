// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// logFlags say what is logged, and where the settings are.
type logFlags struct {
	level  string
	format string
	urls   configfile.Choice
}

// What of the URLs of calls is logged.
const (
	logFull, logPath, logHost = "full", "path", "host"
)

func (c *config) addLogFlags(f *pflag.FlagSet) {
	if c.logging.level == "" {
		c.logging.level = "info"
	}
	f.StringVar(&c.configFile, "config", "", "`FILE` with flags as JSON: their names in camel case, repeatable ones as arrays; flags and variables win over it; read again on SIGHUP")
	f.StringVar(&c.logging.level, "log-level", c.logging.level, "log from `LEVEL` on: debug, info, warn or error")
	c.logging.urls = configfile.Choice{Value: logPath, Words: []string{logFull, logPath, logHost}}
	f.Var(&c.logging.urls, "log-urls", "log `HOW` much of the URLs that are fetched: full (queries may hold secrets), path or host")
	f.StringVar(&c.logging.format, "log-format", "text", "log in this `FORMAT`: text or json")
}

// logger logs to w, and to the file of the variable LOG_FILE if that is set.
// Close it when nothing is logged any more.
func (c *config) logger(w io.Writer) (log *slog.Logger, done func(), err error) {
	file, _ := c.environment.lookup("LOG_FILE")
	log, done, err = service.NewLogger(w, service.LoggerOptions{Level: c.logging.level, Format: c.logging.format, File: file})
	if errors.Is(err, service.ErrSetting) {
		err = &usageError{text: err.Error()}
	}
	return log, done, err
}

// hostsOnly cuts the URLs in records after the host.
type hostsOnly struct{ slog.Handler }

func (h hostsOnly) Handle(ctx context.Context, r slog.Record) error {
	cut := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		cut.AddAttrs(hostOnly(a))
		return true
	})
	return h.Handler.Handle(ctx, cut)
}

func (h hostsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	cut := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		cut[i] = hostOnly(a)
	}
	return hostsOnly{h.Handler.WithAttrs(cut)}
}

func (h hostsOnly) WithGroup(name string) slog.Handler { return hostsOnly{h.Handler.WithGroup(name)} }

func hostOnly(a slog.Attr) slog.Attr {
	if a.Key != "url" || a.Value.Kind() != slog.KindString {
		return a
	}
	u, err := url.Parse(a.Value.String())
	if err != nil {
		return slog.String(a.Key, "not a URL")
	}
	return slog.String(a.Key, (&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
}
