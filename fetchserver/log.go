// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"context"
	"errors"
	"log/slog"

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
