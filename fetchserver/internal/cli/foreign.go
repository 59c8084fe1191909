// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// fromPython makes of the arguments with which uvx and python start
// mcp-server-fetch, or python the original server, those of this program, so that
// a configuration works when its command is replaced.
func fromPython(args []string) []string {
	if len(args) > 1 && args[0] == "-m" {
		switch args[1] {
		case "mcp_server_fetch":
			return append([]string{originalName}, args[2:]...)
		case "mcp_fetch_streamablehttp_server":
			return args[2:]
		}
	}
	if len(args) > 0 { // uvx takes a version as well
		name, _, _ := strings.Cut(strings.ReplaceAll(args[0], "==", "@"), "@")
		if name == originalName {
			return append([]string{originalName}, args[1:]...)
		}
	}
	return args
}

const originalName = "mcp-server-fetch"

// originalCommand is mcp-server-fetch: this program on stdin and stdout.
func (a *app) originalCommand() *cobra.Command {
	cmd := a.serveCommand(originalName)
	cmd.Hidden = true
	cmd.Short = "Be mcp-server-fetch: --stdio, with its flags"
	if err := cmd.Flags().Lookup("stdio").Value.Set("true"); err != nil {
		panic(err) // not a flag any more
	}
	return cmd
}

// privateNetworks are what mcp-server-fetch calls private, but for the addresses
// of a link, where clouds keep their secrets.
var privateNetworks = []string{
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "::1/128", "fc00::/7",
}

// privateIPs is the flag --allow-private-ips of mcp-server-fetch.
type privateIPs struct{ c *config }

func (p privateIPs) String() string   { return "" }
func (p privateIPs) Type() string     { return "bool" }
func (p privateIPs) IsBoolFlag() bool { return true }

func (p privateIPs) Set(text string) error {
	if text != "true" {
		return nil
	}
	p.c.allowPrivate = append(p.c.allowPrivate, privateNetworks...)
	p.c.foreign = append(p.c.foreign, note{"flag of mcp-server-fetch", "--allow-private-ips",
		"--allow-private with the networks that are meant; link-local addresses stay refused, and so do ports but 80, 443 and those of --allow-port"})
	return nil
}

func (c *config) addForeignFlags(f *pflag.FlagSet) {
	added := f.VarPF(privateIPs{c}, "allow-private-ips", "", "")
	added.Hidden, added.NoOptDefVal = true, "true"
}
