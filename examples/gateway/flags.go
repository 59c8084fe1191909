// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

const usage = `Usage: gateway [flags] [-- command args...]

Runs an authorization server, a bridge around stdio MCP servers and a fetch
server on the loopback address, all protected by OAuth. Without a command it
wraps a small server of its own at /demo/mcp; a command is wrapped at
/server/mcp. At start it signs in to itself as a new client and prints what
happened, then it serves until Ctrl-C.

Flags:
  --addr ADDR       loopback address to listen on (default 127.0.0.1:8420;
                    with --once any free port)
  --config FILE     wrap every server of an mcpServers JSON file, each at
                    /NAME/mcp
  --data DIR        folder of the embedded store (default: a folder in your
                    configuration directory; with --once a temporary one)
  --log-level LEVEL debug, info, warn or error, on stderr (default error)
  --once            exit after the transcript, with status 1 if a step failed
  --reset-password  give the local user a new password and print it

Examples:
  gateway --once
  gateway -- npx -y @modelcontextprotocol/server-everything
  gateway --config claude_desktop_config.json
`

// options is the command line, checked and completed.
type options struct {
	addr          string
	data          string
	temporary     bool // data is removed at the end
	once          bool
	resetPassword bool
	logLevel      slog.Level
	servers       []wrapped

	logger *slog.Logger
}

func parseFlags(args []string) (*options, error) {
	o := &options{}
	var config string
	fs := flag.NewFlagSet("gateway", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.addr, "addr", "", "")
	fs.StringVar(&config, "config", "", "")
	fs.StringVar(&o.data, "data", "", "")
	fs.TextVar(&o.logLevel, "log-level", slog.LevelError, "")
	fs.BoolVar(&o.once, "once", false, "")
	fs.BoolVar(&o.resetPassword, "reset-password", false, "")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if o.addr == "" {
		o.addr = "127.0.0.1:8420"
		if o.once {
			o.addr = "127.0.0.1:0"
		}
	}
	if err := o.chooseServers(config, fs.Args()); err != nil {
		return nil, err
	}
	return o, o.chooseData()
}

// chooseServers decides what is wrapped: a configuration file, a command, or
// the server that the program carries itself.
func (o *options) chooseServers(config string, command []string) (err error) {
	switch {
	case config != "" && len(command) > 0:
		return errors.New("--config and a command exclude each other")
	case config != "":
		o.servers, err = readConfig(config)
		return err
	case len(command) > 0:
		o.servers = []wrapped{{name: "server", command: command[0], args: command[1:]}}
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program's own file: %w", err)
	}
	o.servers = []wrapped{{name: "demo", command: self, args: []string{demoServerArg}}}
	return nil
}

func (o *options) chooseData() (err error) {
	switch {
	case o.data != "":
		o.data, err = filepath.Abs(o.data)
	case o.once:
		o.temporary = true
		o.data, err = os.MkdirTemp("", "mcp-oauth-gateway-*")
	default:
		var config string
		config, err = os.UserConfigDir()
		o.data = filepath.Join(config, "mcp-oauth-gateway", "gateway")
	}
	if err != nil {
		return fmt.Errorf("no place for the data directory: %w; name one with --data", err)
	}
	return nil
}
