// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// environment finds the values of variables. It is that of the process, but for
// tests.
type environment struct {
	all    func() []string
	lookup func(name string) (string, bool)
}

var processEnvironment = environment{os.Environ, os.LookupEnv}

// A note is for those who come from another program: what a name of it is here.
type note struct{ what, name, here string }

// foreignVariable is a variable of mcp-fetch-streamablehttp-server.
type foreignVariable struct {
	name, flag string
	// convert makes the text of the flag; "" means to leave it alone.
	convert func(string) (string, error)
	// weak says that others use this name as well, so that everything else,
	// the file too, says more about this program.
	weak bool
}

// foreignVariables are those that count. The ones without MCP_ stood in its
// manual, but had no effect; those of them that limit what is done have it here.
var foreignVariables = []foreignVariable{
	{"MCP_FETCH_ALLOWED_SCHEMES", "https-only", httpsOnly, false},
	{"MCP_FETCH_MAX_REDIRECTS", "max-redirects", wholeNumber, false},
	{"MCP_FETCH_DEFAULT_USER_AGENT", "user-agent", asIs, false},
	{"FETCH_MAX_SIZE", "max-bytes", wholeNumber, false},
	{"FETCH_TIMEOUT", "timeout", wholeSeconds, false},
	{"FETCH_USER_AGENT", "user-agent", asIs, false},
	{"FETCH_MAX_REDIRECTS", "max-redirects", wholeNumber, false},
	{"FETCH_ALLOWED_DOMAINS", "allow-domain", asIs, false},
	{"FETCH_BLOCKED_DOMAINS", "deny-domain", asIs, false},
	{"HOST", "host", hostAddress, true},
	{"PORT", "port", wholeNumber, true},
}

// withoutEffect are variables of it that mean nothing here, and why. Those with a
// harmless value are not worth a line.
var withoutEffect = []struct{ name, harmless, reason string }{
	{"MCP_SERVER_NAME", "", "the server is called fetchserver"},
	{"MCP_SERVER_VERSION", "", "the server tells its own version"},
	{"MCP_PROTOCOL_VERSION", "", "clients of every version are served"},
	{"MCP_FETCH_ENABLE_SSE", "", "replies are event streams whenever the client takes them"},
	{"FETCH_ALLOW_PRIVATE_IPS", "false", "--allow-private names the networks that may be fetched from"},
	{"MCP_FETCH_BLOCK_PRIVATE_IPS", "true", "addresses that are not public are refused; --allow-private names exceptions"},
	{"FETCH_ENABLE_JAVASCRIPT", "false", "--render runs the scripts of pages"},
	{"FETCH_EXTRACT_METADATA", "true", "metadata are in the structured content"},
	{"FETCH_FOLLOW_REDIRECTS", "true", "--max-redirects 0 follows none"},
	{"MCP_FETCH_ROBOTS_TXT_CACHE_SIZE", "", "the cache has a bound of its own"},
	{"MCP_FETCH_ENABLE_COOKIES", "false", "cookies are never kept"},
	{"MCP_FETCH_VERIFY_SSL", "true", "certificates are always checked"},
}

// fromForeign takes the variables of the other program for flags that are not
// set: those that are weak, or the others.
func (c *config) fromForeign(flags *pflag.FlagSet, weak bool) error {
	for _, v := range foreignVariables {
		flag := flags.Lookup(v.flag)
		value, _ := c.environment.lookup(v.name)
		if value = strings.TrimSpace(value); v.weak != weak || value == "" || flag == nil || flag.Changed {
			continue
		}
		text, err := v.convert(value)
		if err == nil && text != "" {
			err = setText(flag, text)
		}
		if err != nil && v.weak {
			c.foreign = append(c.foreign, note{"variable ignored", v.name, err.Error()})
			continue
		}
		if err != nil {
			return &usageError{text: fmt.Sprintf("the variable %s: %v", v.name, err)}
		}
		if text != "" {
			flag.Changed = !v.weak // or --stdio would contradict it
			c.foreign = append(c.foreign, note{"variable used", v.name, "--" + v.flag})
		}
	}
	return nil
}

// tellForeign notes in the log what names of other programs are here.
func (c *config) tellForeign(log *slog.Logger) {
	ctx := context.Background()
	for _, n := range c.foreign {
		log.LogAttrs(ctx, slog.LevelInfo, n.what, slog.String("name", n.name), slog.String("here", n.here))
	}
	for _, v := range withoutEffect {
		if value, _ := c.environment.lookup(v.name); value != "" && !strings.EqualFold(value, v.harmless) {
			log.LogAttrs(ctx, slog.LevelWarn, "variable has no effect", slog.String("variable", v.name), slog.String("reason", v.reason))
		}
	}
}

func asIs(text string) (string, error) { return text, nil }

func wholeNumber(text string) (string, error) {
	if _, err := strconv.ParseUint(text, 10, 31); err != nil {
		return "", errors.New("want a number")
	}
	return text, nil
}

func wholeSeconds(text string) (string, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return "", errors.New("want a number of seconds")
	}
	return (time.Duration(n) * time.Second).String(), nil
}

// httpsOnly reads a JSON list of schemes.
func httpsOnly(text string) (string, error) {
	var schemes []string
	if json.Unmarshal([]byte(text), &schemes) != nil || len(schemes) == 0 ||
		!slices.Contains(schemes, "https") || slices.ContainsFunc(schemes, func(s string) bool { return s != "http" && s != "https" }) {
		return "", errors.New(`want ["https"] or ["http","https"]`)
	}
	if slices.Contains(schemes, "http") {
		return "", nil
	}
	return "true", nil
}

// hostAddress takes an address only: some shells and containers set HOST to the
// name of the machine.
func hostAddress(text string) (string, error) {
	if _, err := netip.ParseAddr(text); err != nil && text != "localhost" {
		return "", errors.New("not an address to listen on; --host takes one")
	}
	return text, nil
}
