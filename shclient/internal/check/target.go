// SPDX-License-Identifier: Apache-2.0

package check

import (
	"io"
	"net/http"
	"time"
)

// Target is the server under test: one at a URL, or a command.
type Target struct {
	// Name is how reports call it, without secrets.
	Name string

	// URL is the MCP endpoint.
	URL string
	// Client sends requests to URL with the login and the headers of the user;
	// nil means Anonymous.
	Client *http.Client
	// Anonymous sends them without; nil means http.DefaultClient.
	Anonymous *http.Client

	// Command is the program and its arguments, if the server speaks over stdio.
	Command []string
	// Env is the environment of Command; nil means that of this process.
	Env []string
	// Dir is its working directory; empty means that of this process.
	Dir string
	// Stderr gets what Command writes there; nil means nobody does.
	Stderr io.Writer

	// Secrets are kept out of the report. Nil means that there are none.
	Secrets *Secrets
}

// Transport is the one that the target is spoken to over.
func (t *Target) Transport() Transport {
	if len(t.Command) > 0 {
		return Stdio
	}
	return HTTP
}

// Options bound a run and choose what it does.
type Options struct {
	// Rules to try. Nil means all.
	Rules []Rule
	// Versions to try. Nil means all that the server speaks.
	Versions []string
	// Timeout bounds each wait for the server. 0 means 10 seconds.
	Timeout time.Duration
	// Budget bounds the whole run. 0 means 10 minutes.
	Budget time.Duration
	// CallTools allows to call tools that are not annotated with readOnlyHint.
	CallTools bool
	// Progress, if not nil, is told before each trial how many are done, of how
	// many, and what is tried now.
	Progress func(done, total int, rule, version string)

	quiet    time.Duration // see Probe.quiet
	patience time.Duration // of Process.soon
}

func (o *Options) timeout() time.Duration {
	if o.Timeout <= 0 {
		return 10 * time.Second
	}
	return o.Timeout
}

func (o *Options) budget() time.Duration {
	if o.Budget <= 0 {
		return 10 * time.Minute
	}
	return o.Budget
}
