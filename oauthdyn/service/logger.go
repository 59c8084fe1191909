// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// LoggerOptions say what a logger writes. The names of flags and variables in
// errors are those that all commands have.
type LoggerOptions struct {
	// Level is the least that is logged (--log-level): debug, info, warn or
	// error; or, as other programs call them, warning, critical or none. Case
	// does not matter. Required.
	Level string
	// Format is text or json (--log-format). Required.
	Format string
	// File, unless it is empty, is the name of a file to which all is written as
	// well (LOG_FILE). It is made for its owner alone, and appended to.
	File string
}

// ErrSetting is in the error about a level or a format that does not exist.
var ErrSetting = errors.New("service: no such level or format")

type settingError struct{ text string }

func (e *settingError) Error() string        { return e.text }
func (e *settingError) Is(target error) bool { return target == ErrSetting }

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	"warning": slog.LevelWarn, "critical": slog.LevelError, "none": slog.LevelError + 100,
}

// NewLogger logs to w. What is logged with the context of a request below
// [AccessLog] has the attribute request_id. Call done when nothing is logged any
// more. The error is [ErrSetting], or that of the file.
func NewLogger(w io.Writer, o LoggerOptions) (log *slog.Logger, done func(), err error) {
	least, ok := levels[strings.ToLower(o.Level)]
	if !ok {
		return nil, nil, &settingError{fmt.Sprintf("--log-level %q is not debug, info, warn or error", o.Level)}
	}
	if o.Format != "text" && o.Format != "json" {
		return nil, nil, &settingError{fmt.Sprintf("--log-format %q is not text or json", o.Format)}
	}
	done = func() {}
	if o.File != "" {
		f, err := os.OpenFile(o.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("LOG_FILE: %w", err)
		}
		done = func() { _ = f.Close() }
		w = both{w, f}
	}
	options := &slog.HandlerOptions{Level: least}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if o.Format == "json" {
		h = slog.NewJSONHandler(w, options)
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
