// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// variablePrefix begins the names of this program's own variables.
const variablePrefix = "FETCHSERVER_"

// notInFile are flags that mean something on the command line only.
var notInFile = []string{"config", "check-config", "help", "version"}

// variable is the name of a flag in the environment.
func variable(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settle completes what the command line says: with the environment, with the
// file, and with what the environment has under names that are not ours alone,
// in this order.
func (c *config) settle(flags *pflag.FlagSet) error {
	if err := c.fromEnvironment(flags); err != nil {
		return err
	}
	if err := c.fromForeign(flags, false); err != nil {
		return err
	}
	if c.configFile != "" {
		err := configfile.Read(c.configFile, flags, notInFile...)
		switch {
		case errors.Is(err, configfile.ErrFormat):
			return &usageError{text: err.Error(), hint: `it has to look like {"port": 8080, "allowPrivate": ["10.1.0.0/16"], "timeout": "20s"}`}
		case err != nil:
			return &usageError{text: "--config: " + err.Error()}
		}
	}
	return c.fromForeign(flags, true)
}

// fromEnvironment takes this program's own variables for flags that are not set.
func (c *config) fromEnvironment(flags *pflag.FlagSet) error {
	known := map[string]*pflag.Flag{}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "check-config" && f.Name != "help" && f.Name != "version" && !f.Hidden {
			known[variable(f.Name)] = f
		}
	})
	for _, entry := range c.environment.all() {
		name, value, _ := strings.Cut(entry, "=")
		value = strings.TrimSpace(value)
		if !strings.HasPrefix(name, variablePrefix) || value == "" || isServiceLink(name, value) {
			continue
		}
		flag := known[name]
		if flag == nil {
			return &usageError{text: "the variable " + name + " names no setting", hint: "fetchserver --help lists the flags; --log-level is " + variable("log-level")}
		}
		if flag.Changed {
			continue
		}
		if err := setText(flag, value); err != nil {
			return &usageError{text: fmt.Sprintf("the variable %s: %v", name, err)}
		}
	}
	return nil
}

// isServiceLink recognizes the variables that Kubernetes and Docker make up for
// a service that is called fetchserver, such as FETCHSERVER_PORT=tcp://10.0.0.1:80.
func isServiceLink(name, value string) bool {
	name = strings.TrimPrefix(name, variablePrefix)
	if strings.HasPrefix(name, "SERVICE_") || strings.HasPrefix(name, "PORT_") || name == "NAME" || strings.HasPrefix(name, "ENV_") {
		return true
	}
	u, err := url.Parse(value)
	return name == "PORT" && err == nil && (u.Scheme == "tcp" || u.Scheme == "udp")
}

// setText sets a flag from one text; those that can be repeated take several
// values with commas between them. The error does not repeat the value.
func setText(flag *pflag.Flag, text string) error {
	texts := []string{text}
	if isList(flag) {
		texts = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	}
	for _, text := range texts {
		if flag.Value.Set(text) != nil {
			return errors.New("want " + wanted(flag))
		}
	}
	flag.Changed = true
	return nil
}

func isList(flag *pflag.Flag) bool {
	kind := flag.Value.Type()
	return kind == "stringArray" || kind == "stringSlice"
}

// wanted tells what a flag takes.
func wanted(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "bool":
		return "true or false"
	case "duration":
		return "a duration like 30s"
	case "SIZE":
		return "a number of bytes like 64MiB"
	case "uint16":
		return "a number up to 65535"
	case "int", "int64":
		return "a number"
	case "WORD":
		if c, ok := flag.Value.(*configfile.Choice); ok {
			return strings.Join(c.Words, " or ")
		}
	}
	return "what --" + flag.Name + " takes"
}
