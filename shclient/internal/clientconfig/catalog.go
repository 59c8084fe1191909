// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Scope says whose entry one is.
type Scope string

// The scopes, by their weight: an entry of one hides those of the same name
// below it.
const (
	ScopeLocal   Scope = "local"   // the user's own, for one project
	ScopeProject Scope = "project" // in a file of the project
	ScopeUser    Scope = "user"    // everywhere
	ScopeFile    Scope = "file"    // of the file that was named
)

// A Server is one entry of a file.
type Server struct {
	Client   *Client
	Name     string
	Scope    Scope
	File     string
	Project  string // directory of the project; "" for ScopeUser
	Hidden   bool   // one of the same client and name comes before it
	Disabled bool   // its client does not start it
	Problem  string // why it cannot be used; "" if it can

	entry  entry
	inputs map[string]input
}

// ID is the name that finds this server among all, such as "claude:github".
func (s *Server) ID() string {
	if s.Client.ID == "" {
		return s.Name
	}
	return s.Client.ID + ":" + s.Name
}

// A Problem is a file that cannot be read.
type Problem struct {
	Client *Client
	File   string
	Err    error
}

// A Catalog is all that was found.
type Catalog struct {
	Servers  []*Server // by client, then by weight of their scope, then by name
	Problems []Problem
}

// Load reads the files of all clients.
func Load(s *System) *Catalog {
	c := &Catalog{}
	dirs := s.projects()
	for _, client := range Clients {
		file := client.UserFile(s)
		if client.project != "" {
			for _, dir := range dirs {
				if name := filepath.Join(dir, client.project); name != file {
					c.addFile(client, name, ScopeProject, dir, nil)
				}
			}
		}
		if file != "" {
			c.addFile(client, file, ScopeUser, "", dirs)
		}
	}
	c.sort()
	return c
}

// LoadFile reads the one file that the user names, in the form of any client.
func LoadFile(name string) (*Catalog, error) {
	c := &Catalog{}
	c.addFile(fileClient, name, ScopeFile, "", nil)
	if len(c.Problems) > 0 {
		return nil, c.Problems[0].Err
	}
	c.sort()
	return c, nil
}

// addFile reads one file. dirs are the projects whose entries it may hold
// beside its own.
func (c *Catalog) addFile(client *Client, name string, scope Scope, dir string, dirs []string) {
	doc, err := readFile(name, client.comments, scope == ScopeProject)
	if errors.Is(err, fs.ErrNotExist) && scope != ScopeFile {
		return
	}
	if err != nil {
		c.Problems = append(c.Problems, Problem{client, name, err})
		return
	}
	add := func(entries map[string]rawEntry, scope Scope, dir string, disabled []string) {
		for key, raw := range entries {
			s := &Server{Client: client, Name: key, Scope: scope, File: name, Project: dir, inputs: doc.inputs()}
			s.entry, err = raw.parse()
			if err != nil {
				s.Problem = err.Error()
			} else if s.Problem = s.entry.problem(); s.Problem == "" {
				s.Disabled = s.entry.disabled() || slices.Contains(disabled, key)
			}
			c.Servers = append(c.Servers, s)
		}
	}
	servers, err := doc.servers(client)
	if err != nil {
		c.Problems = append(c.Problems, Problem{client, name, err})
		return
	}
	local := doc.project(dirs)
	add(servers, scope, dir, local.DisabledServers)
	add(local.Servers, ScopeLocal, local.dir, local.DisabledServers)
}

// sort orders the servers and marks those that others hide.
func (c *Catalog) sort() {
	weight := []Scope{ScopeLocal, ScopeProject, ScopeUser, ScopeFile}
	slices.SortStableFunc(c.Servers, func(a, b *Server) int {
		return cmp.Or(
			slices.Index(Clients, a.Client)-slices.Index(Clients, b.Client),
			slices.Index(weight, a.Scope)-slices.Index(weight, b.Scope),
			len(b.Project)-len(a.Project), // the nearest project first
			strings.Compare(a.Name, b.Name),
		)
	})
	seen := map[string]bool{}
	for _, s := range c.Servers {
		s.Hidden = seen[s.ID()]
		seen[s.ID()] = true
	}
}

// A NameError is a name that is not that of exactly one server.
type NameError struct {
	Name       string
	Candidates []*Server // that have the name; none if it is unknown
	Similar    []string  // names like it
}

func (e *NameError) Error() string {
	if len(e.Candidates) == 0 {
		return fmt.Sprintf("no server is named %q in the configuration of a client", e.Name)
	}
	var list []string
	for _, s := range e.Candidates {
		list = append(list, fmt.Sprintf("%s (%s)", s.ID(), s.Summary()))
	}
	return fmt.Sprintf("%q names several servers: %s", e.Name, strings.Join(list, ", "))
}

// Find returns the server of a name: "claude:github", or "github" when that
// cannot be mistaken. Clients that have the same server under the same name are
// no mistake. The error is a *NameError, or says why the server cannot be used.
func (c *Catalog) Find(name string) (*Server, error) {
	var found []*Server
	for _, s := range c.Servers {
		switch {
		case s.Hidden:
		case s.ID() == name && s.Name != name: // a full name is never a mistake
			return s.usable()
		case s.Name == name:
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 0:
		if err := c.unread(name); err != nil {
			return nil, err
		}
		return nil, &NameError{Name: name, Similar: c.similar(name)}
	case !alike(found):
		return nil, &NameError{Name: name, Candidates: found}
	}
	return found[0].usable()
}

func (s *Server) usable() (*Server, error) {
	if s.Problem != "" {
		return nil, fmt.Errorf("%s in %s: %s", s.ID(), s.File, s.Problem)
	}
	return s, nil
}

// alike reports that it does not matter which of the servers is meant.
func alike(servers []*Server) bool {
	return !slices.ContainsFunc(servers[1:], func(s *Server) bool { return !s.same(servers[0]) })
}

// unread is the error of the file in which a full name would be.
func (c *Catalog) unread(name string) error {
	client, _, full := strings.Cut(name, ":")
	for _, p := range c.Problems {
		if full && p.Client.ID == client {
			return p.Err
		}
	}
	return nil
}

// Names are all names that find a server: full ones, and short ones that cannot
// be mistaken.
func (c *Catalog) Names() []string {
	full, short := map[string]*Server{}, map[string][]*Server{}
	for _, s := range c.Servers {
		if s.Hidden {
			continue
		}
		short[s.Name] = append(short[s.Name], s)
		if s.ID() != s.Name {
			full[s.ID()] = s
		}
	}
	names := map[string]bool{}
	for name, servers := range short {
		names[name] = full[name] == nil && alike(servers) && servers[0].Problem == ""
	}
	for name, s := range full {
		names[name] = s.Problem == ""
	}
	maps.DeleteFunc(names, func(_ string, finds bool) bool { return !finds })
	return slices.Sorted(maps.Keys(names))
}

// same reports that two entries start or reach the same.
func (s *Server) same(other *Server) bool {
	return s.Problem == "" && other.Problem == "" && s.Client.expands == other.Client.expands && s.entry.equal(other.entry)
}
