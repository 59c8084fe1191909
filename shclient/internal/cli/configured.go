// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/clientconfig"
)

// system is where the files of clients are looked for.
func (a *app) system() *clientconfig.System {
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // a directory that is gone has no project
	}
	return &clientconfig.System{OS: runtime.GOOS, LookupEnv: a.lookupEnv, Dir: dir}
}

// catalog is all servers that have a name: those of --config, or of the known
// clients.
func (a *app) catalog() (*clientconfig.Catalog, error) {
	if a.connect.config != "" {
		catalog, err := clientconfig.LoadFile(a.connect.config)
		if err != nil {
			return nil, &exitError{failure{code: exitUsage, text: "--config: " + plain(err)}, err}
		}
		return catalog, nil
	}
	return clientconfig.Load(a.system()), nil
}

// lookupTarget finds a server by its name in the configurations of clients.
func (a *app) lookupTarget(cmd *cobra.Command, name string) (target, error) {
	s, err := a.configured(cmd, name)
	if err != nil {
		return target{}, err
	}
	r, err := s.Resolve(a.system())
	if err != nil {
		return target{}, &exitError{failure{code: exitUsage, text: plain(err)}, err}
	}
	log := a.logger().With(slog.String("name", s.ID()), slog.String("file", s.File))
	if r.URL != "" {
		log.Debug("the server is in a configuration", slog.String("url", s.URL()))
	} else {
		log.Debug("a command of a configuration is run", slog.String("command", strings.Join(s.Command(), " ")), slog.String("dir", r.Dir))
	}
	return target{name: s.ID(), url: r.URL, header: r.Header, command: r.Command, env: r.Env, dir: r.Dir}, nil
}

// configured finds the entry of a name.
func (a *app) configured(cmd *cobra.Command, name string) (*clientconfig.Server, error) {
	catalog, err := a.catalog()
	if err != nil {
		return nil, err
	}
	s, err := catalog.Find(name)
	unknown, ok := errors.AsType[*clientconfig.NameError](err)
	switch {
	case !ok && err != nil:
		return nil, &exitError{failure{code: exitUsage, text: plain(err)}, err}
	case !ok:
		return s, nil
	case len(unknown.Candidates) > 0:
		return nil, &exitError{failure{exitUsage, plain(err), "give the whole name, such as " + unknown.Candidates[0].ID()}, err}
	}
	hint := "shclient config list shows the names that are known; a URL begins with https://"
	if len(unknown.Similar) > 0 {
		hint = "did you mean " + strings.Join(unknown.Similar, " or ") + "?"
	}
	for _, p := range catalog.Problems {
		a.logger().Warn("the configuration of a client cannot be read", slog.String("client", p.Client.Name), slog.String("error", plain(p.Err)))
	}
	return nil, &exitError{failure{exitUsage, plain(err), hint}, err}
}
