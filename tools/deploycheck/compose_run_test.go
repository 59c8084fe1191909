// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// TestComposeRuns runs what compose.yaml runs.
func TestComposeRuns(t *testing.T) {
	path := bin(t)
	dir := composeCopy(t, path)
	writeFile(t, filepath.Join(dir, ".env"), readFile(t, filepath.Join(dir, ".env"))+"ACME_DIRECTORY=https://127.0.0.1:1/\n") // nobody is asked
	project := loadCompose(t, dir)
	net := newAddresses()
	at := map[string]string{}
	for _, name := range project.ServiceNames() {
		at[name] = net.next()
	}
	g := &gateway{bin: path, page: newPage(t)}
	g.front = newFront(t, at["traefik"]+":8443", nil)
	err := project.ForEachService(nil, func(_ string, s *types.ServiceConfig) error {
		g.commands = append(g.commands, composeCommand(t, project, s, at, g))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	g.play(t)
}

// composeCommand is what a container of the service runs, with its files in a
// temporary directory.
func composeCommand(t *testing.T, project *types.Project, s *types.ServiceConfig, at map[string]string, g *gateway) command {
	t.Helper()
	base := t.TempDir()
	names := map[string]string{"=0.0.0.0": "=" + at[s.Name], " 0.0.0.0": " " + at[s.Name], "127.0.0.1": at[s.Name]}
	for other, addr := range at {
		names["//"+other+":"] = "//" + addr + ":"
	}
	for _, secret := range s.Secrets {
		names["/run/secrets/"+secret.Source] = project.Secrets[secret.Source].File
	}
	for _, config := range s.Configs {
		names[config.Target] = project.Configs[config.Source].File
	}
	for _, v := range s.Volumes {
		names[v.Target] = filepath.Join(base, v.Target)
	}
	for _, v := range s.Tmpfs {
		target, _, _ := strings.Cut(v, ":")
		names[target] = filepath.Join(base, target)
	}
	if s.Name == "traefik" {
		g.front.forTraefik(t, base, names, at[s.Name], readFile(t, project.Configs["routes"].File))
	}
	for from, to := range names {
		if strings.HasPrefix(from, "/") && strings.HasPrefix(to, base) {
			if err := os.MkdirAll(to, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	if addUser := regexp.MustCompile(`(?m)^docker compose exec -it ` + s.Name + ` (oauthdyn user add .*?) *#`).FindStringSubmatch(
		readFile(t, filepath.Join(deploy, "compose", "README.md"))); addUser != nil {
		runShell(t, base, g.bin, replacer(names).Replace(addUser[1]))
	}
	mapped := replacer(names)
	c := command{name: s.Name, dir: base, grace: 10 * time.Second}
	if program := entryPoint(s.Image); program != "" {
		c.args = []string{program}
	}
	for _, arg := range append(s.Entrypoint, s.Command...) {
		c.args = append(c.args, mapped.Replace(strings.ReplaceAll(arg, "$$", "$")))
	}
	var env []string
	for name, value := range s.Environment {
		if value == nil {
			t.Errorf("%s takes %s from whoever starts it", s.Name, name)
			continue
		}
		env = append(env, name+"="+mapped.Replace(*value))
	}
	env = append(env, "FETCHSERVER_ALLOW_PRIVATE="+strings.TrimPrefix(g.page.URL, "http://"))
	c.env = withEnv(g.bin, env, g.front.env())
	if s.StopGracePeriod != nil {
		c.grace = time.Duration(*s.StopGracePeriod)
	}
	c.ready = composeProbe(t, s, g, mapped, at[s.Name])
	return c
}

// forTraefik has Traefik listen at its own address, and gives it certificates
// that it need not order.
func (f *front) forTraefik(t *testing.T, base string, names map[string]string, addr, routes string) {
	t.Helper()
	dir := filepath.Join(base, "dynamic")
	writeFile(t, filepath.Join(dir, "routes.yml"), replacer(names).Replace(routes))
	writeFile(t, filepath.Join(dir, "certificates.yml"), "tls: {certificates: [{certFile: "+f.certFile+", keyFile: "+f.keyFile+"}]}\n")
	maps.DeleteFunc(names, func(from, _ string) bool { return strings.HasPrefix(from, "/etc/traefik/") })
	names["/etc/traefik/dynamic"] = dir
	// Ports below 1024 are not for everybody.
	names["address=:80"], names["address=:443"] = "address="+addr+":8080", "address="+addr+":8443"
}

// entryPoint is the program that the image starts.
func entryPoint(image string) string {
	if strings.HasPrefix(image, "traefik:") {
		return "traefik"
	}
	return programOf(image)
}

// composeProbe is the health check of the service.
func composeProbe(t *testing.T, s *types.ServiceConfig, g *gateway, mapped *strings.Replacer, addr string) probe {
	t.Helper()
	test := s.HealthCheck.Test
	if strings.HasPrefix(s.Image, "valkey/") && test[0] == "CMD-SHELL" {
		return execProbe(g.bin+":/usr/bin:/bin", "sh", "-c", strings.Replace(test[1], "valkey-cli", "valkey-cli -h "+addr, 1))
	}
	if test[0] != "CMD" {
		t.Fatalf("%s: there is no shell for %q", s.Name, test)
	}
	var args []string
	for _, arg := range test[1:] {
		args = append(args, mapped.Replace(arg))
	}
	return execProbe(g.bin, args...)
}
