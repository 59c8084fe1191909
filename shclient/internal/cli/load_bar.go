// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/load"
)

// startLoadBar shows on stderr, if that is a terminal, how far a step is and
// what it has measured so far. The function that it returns takes that away.
func (a *app) startLoadBar(title string, step load.Step, tally *load.Tally) (stop func()) {
	f, isFile := a.stderr.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	start := time.Now()
	running.Go(func() {
		ticks := time.NewTicker(200 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				fmt.Fprintf(a.stderr, "\r\x1b[K%s", loadBar(title, step, tally, time.Since(start)))
			case <-done:
				fmt.Fprint(a.stderr, "\r\x1b[K")
				return
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

const barColumns = 20

// loadBar is one line of less than 80 columns.
func loadBar(title string, step load.Step, tally *load.Tally, elapsed time.Duration) string {
	ok, failed := tally.Latency.Count(), tally.Failed()
	share := elapsed.Seconds() / step.Duration.Seconds()
	if step.Calls > 0 {
		share = max(share, float64(ok+failed)/float64(step.Calls))
	}
	full := int(min(share, 1) * barColumns)
	text := strings.Repeat("█", full) + strings.Repeat("░", barColumns-full)
	if title != "" {
		text = title + " " + text
	}
	text += fmt.Sprintf(" %.0f calls/s  p50 %.1f  p99 %.1f ms", float64(ok)/elapsed.Seconds(),
		milliseconds(tally.Latency.Quantile(.5)), milliseconds(tally.Latency.Quantile(.99)))
	if failed > 0 {
		text += fmt.Sprintf("  %d failed", failed)
	}
	return text
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
