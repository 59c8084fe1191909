// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/service"
)

// logger logs to w, and to the file of the variable LOG_FILE if that is set.
// Close it when nothing is logged any more.
func (c *config) logger(w io.Writer) (log *slog.Logger, done func(), err error) {
	file, _ := c.environment.lookup("LOG_FILE")
	log, done, err = service.NewLogger(w, service.LoggerOptions{Level: c.logLevel, Format: c.logFormat, File: file})
	if errors.Is(err, service.ErrSetting) {
		err = &usageError{text: err.Error()}
	}
	return log, done, err
}

// named tells the log which server answers.
func named(server string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service.SetLabel(r.Context(), server)
		next.ServeHTTP(w, r)
	})
}
