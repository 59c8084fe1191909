// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/cli/mcpjson"
)

// spec is everything that decides what a server is. As long as it stays the
// same, the server lives through new readings of the configuration.
type spec struct {
	name string

	command string
	args    []string
	env     []string
	dir     string

	url               string
	headers           map[string]string
	passAuthorization bool

	settings settings
}

// endpoint is a server and the paths at which it is offered.
type endpoint struct {
	spec
	paths []string
}

// endpoints lists what is to be served: the command and the servers of the
// file. It reads the file, the environment and the files named by -e.
func (c *config) endpoints(log *slog.Logger) ([]endpoint, error) {
	var all []endpoint
	if c.command != "" {
		e, err := c.commandEndpoint(filepath.Base(c.command), c.command, c.args)
		if err != nil {
			return nil, err
		}
		e.paths = []string{c.path}
		all = append(all, e)
	}
	for _, server := range c.foreign.named {
		e, err := c.commandEndpoint(server.name, server.command[0], server.command[1:])
		if err != nil {
			return nil, err
		}
		e.paths = []string{"/servers/" + server.name + "/mcp"}
		all = append(all, e)
	}
	if c.file != "" {
		more, err := c.fileEndpoints(log)
		_, explained := errors.AsType[*usageError](err)
		if _, file := errors.AsType[*fs.PathError](err); file || explained {
			return nil, err
		}
		if errors.Is(err, mcpjson.ErrFormat) {
			return nil, &usageError{text: err.Error(), hint: "the file has to look like that of other MCP programs: {\"mcpServers\": {\"NAME\": {\"command\": \"…\", \"args\": [\"…\"]}}}"}
		}
		if err != nil {
			return nil, &usageError{text: err.Error(), plain: true}
		}
		all = append(all, more...)
	}
	if len(all) == 1 && !slices.Contains(all[0].paths, c.path) {
		all[0].paths = append(all[0].paths, c.path)
	}
	return all, checkNames(all)
}

// commandEndpoint is the server of the command line.
func (c *config) commandEndpoint(name, command string, args []string) (endpoint, error) {
	env := c.environment.passed(c.passEnv)
	if err := c.environment.set(env, c.env); err != nil {
		return endpoint{}, err
	}
	return endpoint{spec: spec{
		name: name, command: command, args: args, env: list(env), dir: c.dir, settings: c.settings,
	}}, nil
}

func (c *config) fileEndpoints(log *slog.Logger) ([]endpoint, error) {
	servers, err := mcpjson.Read(c.file, c.environment.lookup)
	if _, file := errors.AsType[*fs.PathError](err); file {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if err != nil {
		return nil, err
	}
	var all []endpoint
	for _, server := range servers {
		if server.Disabled {
			log.LogAttrs(context.Background(), slog.LevelInfo, "server is disabled", slog.String("server", server.Name))
			continue
		}
		if len(server.Ignored) > 0 {
			log.LogAttrs(context.Background(), slog.LevelInfo, "members of the configuration mean nothing here",
				slog.String("server", server.Name), slog.String("members", strings.Join(server.Ignored, " ")))
		}
		e, err := c.fileEndpoint(server)
		if err != nil {
			return nil, fmt.Errorf("%s: server %q: %w", c.file, server.Name, err)
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: every server is disabled", c.file)
	}
	return all, nil
}

func (c *config) fileEndpoint(server mcpjson.Server) (endpoint, error) {
	e := endpoint{spec: spec{
		name: server.Name, command: server.Command, args: server.Args, dir: server.Dir,
		url: server.URL, headers: server.Headers, settings: c.settings,
	}}
	own := overrides{passEnv: c.passEnv}
	if err := own.read(server.Overrides, &e.spec); err != nil {
		return e, fmt.Errorf("shproxy: %w", err)
	}
	if err := c.checkCallers(e.settings, memberName); err != nil {
		return e, fmt.Errorf("shproxy: %w", err)
	}
	e.paths = []string{"/" + server.Name + "/mcp"}
	if c.foreign.serversPath {
		e.paths = []string{"/servers/" + server.Name + "/mcp"}
	}
	if own.path != "" {
		e.paths = []string{own.path}
	}
	if server.URL != "" {
		return e, nil
	}
	env := c.environment.passed(own.passEnv)
	if err := c.environment.set(env, c.env); err != nil {
		return e, err
	}
	for name, value := range server.Env {
		if err := checkVariable(name); err != nil {
			return e, fmt.Errorf("env: %w", err)
		}
		if strings.ContainsRune(value, 0) {
			return e, fmt.Errorf("env: the value of %s holds a zero byte", name)
		}
		env[name] = value
	}
	e.env = list(env)
	return e, nil
}

// checkNames finds a name that is there twice.
func checkNames(all []endpoint) error {
	names := make(map[string]bool)
	for _, e := range all {
		if names[e.name] {
			return &usageError{text: fmt.Sprintf("two servers are called %q", e.name)}
		}
		names[e.name] = true
	}
	return nil
}

// trimPath cuts the slash at the end, with and without which a path is served.
func trimPath(p string) string {
	if len(p) > 1 {
		p = strings.TrimSuffix(p, "/")
	}
	return p
}

func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.ContainsAny(p, "{}?#% ") ||
		p == healthPath || strings.HasPrefix(p+"/", "/.well-known/") {
		return fmt.Errorf("a path must start with /, hold none of {}?#%% and be neither %s nor below /.well-known", healthPath)
	}
	return nil
}

func checkPatterns(patterns []string) error {
	for _, pattern := range patterns {
		if err := checkPattern(pattern); err != nil {
			return err
		}
	}
	return nil
}
