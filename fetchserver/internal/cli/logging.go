// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// logFlags say what is logged, and where the settings are.
type logFlags struct {
	level  string
	format string
	urls   choice
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
	c.logging.urls = choice{logPath, []string{logFull, logPath, logHost}}
	f.Var(&c.logging.urls, "log-urls", "log `HOW` much of the URLs that are fetched: full (queries may hold secrets), path or host")
	f.StringVar(&c.logging.format, "log-format", "text", "log in this `FORMAT`: text or json")
}

// levels are the words for levels that this program and others use.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	"warning": slog.LevelWarn, "critical": slog.LevelError, "none": slog.LevelError + 100,
}

// logger logs to w, and to the file of the variable LOG_FILE if that is set.
// Close it when nothing is logged any more.
func (c *config) logger(w io.Writer) (log *slog.Logger, done func(), err error) {
	least, ok := levels[strings.ToLower(c.logging.level)]
	if !ok {
		return nil, nil, &usageError{text: fmt.Sprintf("--log-level %q is not debug, info, warn or error", c.logging.level)}
	}
	if c.logging.format != "text" && c.logging.format != "json" {
		return nil, nil, &usageError{text: fmt.Sprintf("--log-format %q is not text or json", c.logging.format)}
	}
	done = func() {}
	if name, _ := c.environment.lookup("LOG_FILE"); name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("LOG_FILE: %w", err)
		}
		done = func() { _ = f.Close() }
		w = both{w, f}
	}
	o := &slog.HandlerOptions{Level: least}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if c.logging.format == "json" {
		h = slog.NewJSONHandler(w, o)
	}
	return slog.New(withRequestID{h}), done, nil
}

// both writes to two places; unlike io.MultiWriter it does so even if the
// first is closed.
type both struct{ first, second io.Writer }

func (b both) Write(p []byte) (int, error) {
	_, first := b.first.Write(p)
	_, second := b.second.Write(p)
	if first != nil {
		return 0, first
	}
	if second != nil {
		return 0, second
	}
	return len(p), nil
}

// withRequestID adds the id of the HTTP request, if the context is of one.
type withRequestID struct{ slog.Handler }

func (h withRequestID) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(requestKey{}).(*requestID); ok {
		r.AddAttrs(slog.String("request_id", id.String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h withRequestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequestID{h.Handler.WithAttrs(attrs)}
}

func (h withRequestID) WithGroup(name string) slog.Handler {
	return withRequestID{h.Handler.WithGroup(name)}
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
