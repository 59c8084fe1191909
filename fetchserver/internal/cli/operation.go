// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	"github.com/spf13/pflag"
)

// operationFlags are about running the server for a long time.
type operationFlags struct {
	adminAddr    string
	drainDelay   time.Duration
	drainTimeout time.Duration
}

func (c *config) addOperationFlags(f *pflag.FlagSet) {
	f.BoolVar(&c.checkConfig, "check-config", false, "say whether the server could start like that, and end")
	f.StringVar(&c.adminAddr, "admin-addr", "", "`HOST:PORT` for /healthz, /readyz and /metrics (default none)")
	f.DurationVar(&c.drainDelay, "drain-delay", 0, "`TIME` between a signal, from which on /readyz answers 503, and the end of new calls")
	f.DurationVar(&c.drainTimeout, "drain-timeout", 10*time.Second, "`TIME` after that for calls to end; a second signal ends everything at once")
}

func (c *config) checkOperationFlags() error {
	if c.drainDelay < 0 || c.drainTimeout < 0 {
		return &usageError{text: "--drain-delay and --drain-timeout must not be negative"}
	}
	return nil
}
