// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// dialect is what a client replaces in the values of an entry.
type dialect int

const (
	shellStyle  dialect = 1 << iota // ${NAME} and ${NAME:-default}, as Claude Code has it
	editorStyle                     // ${env:NAME}, ${input:ID}, ${userHome}, ${workspaceFolder}, as VS Code has it
)

// variable is what a shell takes for the name of one.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander replaces variables in the values of one server.
type expander struct {
	system *System
	server *Server
}

// expand replaces what the server's client would replace. All else stays: a
// bridge like mcp-remote replaces ${NAME} in its arguments itself.
func (x *expander) expand(text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String(), nil
		}
		value, replaced, err := x.value(name)
		if err != nil {
			return "", err
		}
		if !replaced {
			value = "${" + name + "}"
		}
		b.WriteString(value)
		text = after
	}
}

func (x *expander) value(name string) (value string, replaced bool, err error) {
	if x.server.Client.expands&editorStyle != 0 {
		if value, replaced, err = x.editor(name); replaced || err != nil {
			return value, replaced, err
		}
	}
	if x.server.Client.expands&shellStyle != 0 {
		return x.shell(name)
	}
	return "", false, nil
}

func (x *expander) shell(name string) (value string, replaced bool, err error) {
	name, fallback, hasFallback := strings.Cut(name, ":-")
	if !variable.MatchString(name) {
		return "", false, nil
	}
	if value, set := x.system.LookupEnv(name); set {
		return value, true, nil
	}
	if hasFallback {
		return fallback, true, nil
	}
	if _, own := x.server.entry.Env[name]; own { // for the command to replace
		return "", false, nil
	}
	return "", false, unset(name)
}

func unset(name string) error { return fmt.Errorf("the environment has no variable %s", name) }

func (x *expander) editor(name string) (value string, replaced bool, err error) {
	kind, what, prefixed := strings.Cut(name, ":")
	switch {
	case prefixed && kind == "env":
		value, replaced = x.system.LookupEnv(what)
		if !replaced {
			return "", false, unset(what)
		}
		return value, true, nil
	case prefixed && kind == "input":
		value, err = x.input(what)
		return value, err == nil, err
	case prefixed && !strings.HasPrefix(what, "-"):
		return "", false, fmt.Errorf("${%s:…} means something to %s alone", kind, x.server.Client.Name)
	}
	folder := x.server.Project
	if folder == "" {
		folder = x.system.Dir
	}
	switch name {
	case "userHome":
		value = x.system.Home()
	case "workspaceFolder", "cwd":
		value = folder
	case "workspaceFolderBasename":
		value = filepath.Base(folder)
	case "pathSeparator", "/":
		value = string(filepath.Separator)
	default:
		return "", false, nil
	}
	return value, true, nil
}

// input is a value that VS Code asks for and keeps to itself.
func (x *expander) input(id string) (string, error) {
	name := "INPUT_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, id)
	if value, set := x.system.LookupEnv(name); set {
		return value, nil
	}
	in, known := x.server.inputs[id]
	if known && in.Default != "" {
		return in.Default, nil
	}
	what := ""
	if in.Description != "" {
		what = " (" + in.Description + ")"
	}
	return "", errors.New("VS Code asks its user for ${input:" + id + "}" + what + "; set " + name + " to the value")
}
