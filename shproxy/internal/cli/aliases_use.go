// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/cli/mcpjson"
)

func useStdio(c *config, line string) error {
	command, err := words(line)
	if err != nil {
		return err
	}
	if c.command != "" {
		return errors.New("one command is enough; --config takes several servers")
	}
	c.command, c.args = command[0], command[1:]
	return nil
}

func useOutput(c *config, transport string) error {
	switch transport {
	case "streamableHttp":
		return nil
	case "sse":
		c.legacySSE = true
		return nil
	case "stdio":
		return errors.New("this program does not bring remote servers to stdio; shclient URL does")
	case "ws":
		return errors.New("WebSocket is no transport of MCP; clients have to use Streamable HTTP")
	}
	return errors.New("want streamableHttp or sse")
}

func useServer(c *config, transport string) error {
	switch transport {
	case "stream":
		return nil
	case "sse":
		c.legacySSE = true
		return nil
	}
	return errors.New("want stream or sse")
}

func useSSEPath(c *config, path string) error {
	c.legacySSE, c.foreign.ssePath = true, withSlash(path)
	return checkPath(c.foreign.ssePath)
}

func useHealth(c *config, path string) error {
	path = withSlash(path)
	if path == healthPath {
		return nil
	}
	c.foreign.health = append(c.foreign.health, path)
	return checkPath(path)
}

func usePort(c *config, port string) error {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return errors.New("want a number up to 65535")
	}
	c.port = uint16(n)
	return nil
}

// useNamed takes NAME=COMMAND, which normalize has joined.
func useNamed(c *config, value string) error {
	name, line, ok := strings.Cut(value, "=")
	if !ok {
		return errors.New("want a name and a command in quotes")
	}
	if err := mcpjson.CheckName(name); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	command, err := words(line)
	if err != nil {
		return err
	}
	c.foreign.named = append(c.foreign.named, namedServer{name, command})
	return nil
}

func useNamedConfig(c *config, file string) error {
	if c.file != "" {
		return errors.New("one file is enough")
	}
	c.file, c.foreign.serversPath = file, true
	return nil
}

// normalize joins the values that other bridges spread over several words:
// --named-server NAME COMMAND, -e NAME VALUE and --cors ORIGIN ORIGIN. It looks
// at the flags before the command only.
func normalize(flags *pflag.FlagSet, args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--" || arg == "-" || !strings.HasPrefix(arg, "-"):
			return append(out, args[i:]...)
		case arg == "--named-server" && i+2 < len(args):
			out = append(out, arg+"="+args[i+1]+"="+args[i+2])
			i += 2
		case (arg == "-e" || arg == "--env") && i+2 < len(args) && !strings.Contains(args[i+1], "=") && !strings.HasPrefix(args[i+2], "-"):
			out = append(out, arg, args[i+1]+"="+args[i+2])
			i += 2
		case arg == "--cors" && i+1 < len(args) && isOrigin(args[i+1]):
			for ; i+1 < len(args) && isOrigin(args[i+1]); i++ {
				out = append(out, arg+"="+args[i+1])
			}
		case takesNext(flags, arg) && i+1 < len(args):
			out = append(out, arg, args[i+1])
			i++
		default:
			out = append(out, arg)
		}
	}
	return out
}

func isOrigin(word string) bool { return word == "*" || strings.Contains(word, "://") }

// takesNext reports whether the word after a flag is its value.
func takesNext(flags *pflag.FlagSet, arg string) bool {
	if strings.Contains(arg, "=") {
		return false
	}
	var flag *pflag.Flag
	if name, long := strings.CutPrefix(arg, "--"); long {
		flag = flags.Lookup(name)
	} else if len(arg) == 2 {
		flag = flags.ShorthandLookup(arg[1:])
	}
	return flag != nil && flag.NoOptDefVal == ""
}
