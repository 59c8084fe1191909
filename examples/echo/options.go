// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// options are the flags. Those that the Python servers
// mcp-echo-streamablehttp-server-stateful and -stateless had are called as
// there, and have the same variables.
type options struct {
	stateful, stdio, debug bool

	host           string
	port           uint16
	sessionTimeout time.Duration
	maxSessions    int
	versions       []string // of the protocol; empty: all that the SDK knows
	hosts, origins []string // that may call, besides this machine's

	showSecrets bool
	showEnv     []string // patterns of variables
	environ     []string
}

func parse(args, environ []string, stderr io.Writer) (*options, error) {
	o := &options{environ: environ, host: "127.0.0.1", port: 3000, sessionTimeout: time.Hour, maxSessions: 1000}
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.stateful, "stateful", false, "keep sessions for clients up to 2025-11-25, and what was echoed last in each")
	flags.BoolVar(&o.stdio, "stdio", false, "serve stdin and stdout instead of HTTP")
	flags.StringVar(&o.host, "host", o.host, "`address` to listen on; or MCP_ECHO_HOST")
	flags.Func("port", "`port` to listen on, 0 for any free one (default 3000); or MCP_ECHO_PORT", o.setPort)
	flags.BoolVar(&o.debug, "debug", false, "log each request, without its headers and body; or MCP_ECHO_DEBUG=true")
	flags.Func("protocol-versions", "protocol `versions` to speak, separated by commas (default all); or MCP_PROTOCOL_VERSIONS_SUPPORTED", o.setVersions)
	flags.Func("session-timeout", "`time` after which a session ends that nobody uses, such as 30m, or seconds (default 1h); or MCP_SESSION_TIMEOUT", o.setTimeout)
	flags.IntVar(&o.maxSessions, "max-sessions", o.maxSessions, "`number` of sessions at the same time")
	flags.Func("allow-host", "host `name` under which clients reach the server through a proxy; repeatable", o.add(&o.hosts))
	flags.Func("allow-origin", "`origin`, like https://app.example, whose web pages may call; repeatable", o.add(&o.origins))
	flags.BoolVar(&o.showSecrets, "show-secrets", false, "let environmentDump show the first and last characters of secrets")
	flags.Func("show-env", "`name` of a variable, or pattern like APP_*, that environmentDump shows with its value; repeatable", o.addPattern)

	for _, v := range []struct{ name, flag string }{
		{"MCP_ECHO_HOST", "host"},
		{"MCP_ECHO_PORT", "port"},
		{"MCP_ECHO_DEBUG", "debug"},
		{"MCP_PROTOCOL_VERSIONS_SUPPORTED", "protocol-versions"},
		{"MCP_SESSION_TIMEOUT", "session-timeout"},
	} {
		value := o.variable(v.name)
		if value == "" {
			continue
		}
		if err := flags.Set(v.flag, value); err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q; see -help", flags.Arg(0))
	}
	if o.maxSessions < 1 {
		return nil, errors.New("-max-sessions: want a number above 0")
	}
	return o, nil
}

func (o *options) variable(name string) string {
	for _, entry := range o.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func (o *options) setPort(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("want a number up to 65535")
	}
	o.port = uint16(n)
	return nil
}

func (o *options) setVersions(text string) error {
	o.versions = nil
	for version := range strings.SplitSeq(text, ",") {
		version = strings.TrimSpace(version)
		if !slices.Contains(mcp.SupportedProtocolVersions(), version) {
			return fmt.Errorf("want some of %s", strings.Join(mcp.SupportedProtocolVersions(), ","))
		}
		o.versions = append(o.versions, version)
	}
	return nil
}

func (o *options) setTimeout(text string) error {
	d, err := time.ParseDuration(text)
	if seconds, err2 := strconv.ParseUint(text, 10, 32); err2 == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d <= 0 {
		return errors.New("want a time such as 30m, or a number of seconds, above 0")
	}
	o.sessionTimeout = d
	return nil
}

func (o *options) add(list *[]string) func(string) error {
	return func(text string) error {
		if text == "" {
			return errors.New("it is empty")
		}
		*list = append(*list, strings.ToLower(strings.TrimSuffix(text, "/")))
		return nil
	}
}

func (o *options) addPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return errors.New("want the name of a variable, or a pattern with * in it")
	}
	o.showEnv = append(o.showEnv, pattern)
	return nil
}
