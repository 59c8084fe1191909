// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"context"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads compose.yaml with the variables of .env.example, as docker
// compose does: by the schema, without variables that are missing.
func loadCompose(t *testing.T, dir string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")},
		cli.WithWorkingDirectory(dir), cli.WithEnvFiles(filepath.Join(dir, ".env")), cli.WithDotEnv)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// composeCopy is a copy of the directory after what its README says.
func composeCopy(t *testing.T, path string) string {
	t.Helper()
	dir := copyOf(t, "compose")
	setup := shellBlock(t, filepath.Join(dir, "README.md"), 0)
	if !isRoot {
		setup = strings.ReplaceAll(setup, " && chown 65532:65532 secrets secrets/*", "")
	}
	runShell(t, dir, path, setup)
	return dir
}

// TestComposeVariables holds that each variable is set, has a default or is
// demanded, and that .env.example names nothing else.
func TestComposeVariables(t *testing.T) {
	dir := copyOf(t, "compose")
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir), cli.WithInterpolation(false))
	if err != nil {
		t.Fatal(err)
	}
	model, err := options.LoadModel(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	example, err := dotenv.Read(filepath.Join(dir, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	// Those that are commented out as well.
	named := slices.Collect(maps.Keys(example))
	for _, m := range regexp.MustCompile(`(?m)^#([A-Z_]+)=`).FindAllStringSubmatch(readFile(t, filepath.Join(dir, ".env.example")), -1) {
		named = append(named, m[1])
	}
	variables := template.ExtractVariables(model, template.DefaultPattern)
	for name, v := range variables {
		if _, set := example[name]; !set && !v.Required && v.DefaultValue == "" {
			t.Errorf("${%s} has no value, no default, and is not demanded", name)
		}
		if !slices.Contains(named, name) {
			t.Errorf(".env.example says nothing of %s", name)
		}
	}
	for _, name := range named {
		if _, used := variables[name]; !used {
			t.Errorf(".env.example has %s, which compose.yaml does not use", name)
		}
	}
	// Without the demanded ones there is an error that names them.
	options, err = cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(context.Background()); err == nil || !strings.Contains(err.Error(), ".env.example") {
		t.Errorf("without .env: %v", err)
	}
}

// TestComposeRules holds what the schema does not.
func TestComposeRules(t *testing.T) {
	dir := copyOf(t, "compose")
	runShell(t, dir, "", "cp .env.example .env")
	project := loadCompose(t, dir)
	for name, s := range project.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") ||
			s.Privileged || len(s.CapAdd) > 0 || s.NetworkMode != "" || s.Pid != "" || s.Ipc != "" {
			t.Errorf("%s is not hardened", name)
		}
		for _, v := range s.Volumes {
			if strings.Contains(v.Source, "docker.sock") {
				t.Errorf("%s has Docker's socket", name)
			}
		}
		if s.Restart == "" || s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
			t.Errorf("%s lacks a restart policy or a health check", name)
		}
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 ||
			s.Deploy.Resources.Limits.NanoCPUs == 0 || s.Deploy.Resources.Limits.Pids == 0 {
			t.Errorf("%s lacks limits", name)
		}
		if len(s.Networks) == 0 || slices.Contains(slices.Collect(maps.Keys(s.Networks)), "default") {
			t.Errorf("%s is in the network of all", name)
		}
		if program := programOf(s.Image); program != "" {
			checkImage(t, name, s.Image, program)
			if grace, drain := seconds(t, s.StopGracePeriod.String()), flagSeconds(t, s.Command, "--drain-timeout")+flagSeconds(t, s.Command, "--drain-delay"); grace <= drain {
				t.Errorf("%s has %v s to end and takes up to %v s", name, grace, drain)
			}
		}
		for _, value := range s.Environment {
			if value != nil && (strings.Contains(strings.ToLower(*value), "secret") || strings.Contains(strings.ToLower(*value), "password")) {
				t.Errorf("%s has a secret in its environment", name)
			}
		}
		if len(s.Ports) > 0 && name != "traefik" {
			t.Errorf("%s is open to the world", name)
		}
	}
	// A wrong port would only show as a replica that is never asked.
	for _, url := range regexp.MustCompile(`url: http://([a-z0-9-]+):(\d+)`).FindAllStringSubmatch(readFile(t, project.Configs["routes"].File), -1) {
		s, ok := project.Services[url[1]]
		port := s.Environment["MCP_PORT"]
		if !ok || !slices.ContainsFunc(s.Command, func(arg string) bool {
			return strings.HasPrefix(arg, "--addr=") && strings.HasSuffix(arg, ":"+url[2]) || arg == "--port="+url[2]
		}) && (port == nil || *port != url[2]) {
			t.Errorf("%s: nobody listens there", url[0])
		}
	}
	// Who shares a network reaches each other.
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"traefik", "oauthdyn", true},
		{"traefik", "shproxy-1", true},
		{"traefik", "shproxy-2", true},
		{"traefik", "fetchserver", true},
		{"shproxy-1", "shproxy-2", true},
		{"shproxy-1", "directory", true},
		{"oauthdyn", "auth-store", true},
		{"shproxy-1", "auth-store", false},
		{"shproxy-1", "oauthdyn", false},
		{"shproxy-1", "fetchserver", false},
		{"fetchserver", "auth-store", false},
		{"fetchserver", "directory", false},
		{"fetchserver", "oauthdyn", false},
		{"traefik", "auth-store", false},
		{"traefik", "directory", false},
	} {
		got := false
		for network := range project.Services[test.a].Networks {
			if _, ok := project.Services[test.b].Networks[network]; ok {
				got = true
			}
		}
		if got != test.want {
			t.Errorf("%s reaches %s: %t", test.a, test.b, got)
		}
	}
	for _, name := range []string{"auth-store", "directory"} {
		if !project.Networks[name].Internal {
			t.Errorf("network %s leads out", name)
		}
	}
}
