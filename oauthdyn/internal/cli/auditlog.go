// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/audit"
)

// openAudit opens the audit log: a file, or stdout for "-". Without a name
// there is none.
func (a *app) openAudit(name string, log *slog.Logger) (l *audit.Log, err error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		l, err = audit.NewLog(func() (io.WriteCloser, error) { return noClose{a.stdout}, nil }, log)
	default:
		l, err = audit.OpenFile(name, log)
	}
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return l, nil
}

// noClose is for a stream that others use as well.
type noClose struct{ io.Writer }

func (noClose) Close() error { return nil }

// onHangup calls each function for every SIGHUP, one at a time, until stop is
// called. A hangup that is ignored, as with nohup, stays ignored.
func onHangup(do func(context.Context)) (stop func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGHUP)
	var loop sync.WaitGroup
	loop.Go(func() {
		for range got {
			do(context.Background())
		}
	})
	return func() {
		signal.Stop(got)
		close(got)
		loop.Wait()
	}
}
