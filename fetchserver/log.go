// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// quiet returns a logger for the SDK. Its records are about what clients do,
// several for every stateless request and errors for their mistakes: they pass
// at the debug level only, so that no client can fill the log.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(quietHandler{log.Handler()}) }

type quietHandler struct{ slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}

// reason is why a fetch failed, for the log: without query, header or body.
func reason(err error) slog.Attr {
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		return slog.Group("reason", slog.String("code", string(e.Code)), slog.String("detail", e.Detail))
	}
	return slog.String("reason", err.Error())
}

// logURL is the URL of a call for the log. It may hold secrets in the query,
// and a password, which is never logged.
func (s *Server) logURL(raw string) slog.Attr {
	u, err := url.Parse(raw)
	if err != nil {
		return slog.String("url", "not a URL")
	}
	shown := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if s.opts.LogQueries {
		shown.RawQuery = u.RawQuery
	}
	return slog.String("url", shown.String())
}
