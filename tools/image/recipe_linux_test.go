// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// recipes are the Dockerfiles of examples/images, each with the program that
// stands for what its base image has.
var recipes = map[string]string{"node": "npm", "python": "python3"}

// A recipe is a Dockerfile whose variables have their values.
type recipe struct {
	stages []instructions.Stage
	lex    *shell.Lex
	global []string // arguments before the first FROM
}

func readRecipe(t *testing.T, kind string) *recipe {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "images", kind+".Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("%s: %+v", kind, parsed.Warnings)
	}
	r := &recipe{lex: shell.NewLex(parsed.EscapeToken)}
	stages, arguments, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.stages = stages
	for _, a := range arguments {
		for _, pair := range a.Args {
			r.global = append(r.global, pair.Key+"="+pair.ValueString())
		}
	}
	return r
}

// expand puts values into a text.
func (r *recipe) expand(t *testing.T, text string, env []string) string {
	t.Helper()
	word, unset, err := r.lex.ProcessWord(text, shell.EnvsFromSlice(env))
	if err != nil {
		t.Fatal(err)
	}
	if len(unset) > 0 && word == "" {
		t.Fatalf("%s: %v", text, unset)
	}
	return word
}

// pinned is a version to the last figure, or the part of one that Python's
// releases are told apart by.
var pinned = regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?(-[a-z-]+)?$`)

func TestRecipesArePinnedAndUnprivileged(t *testing.T) {
	for kind := range recipes {
		r := readRecipe(t, kind)
		for _, stage := range r.stages {
			if base := r.expand(t, stage.BaseName, r.global); !pinned.MatchString(base) {
				t.Errorf("%s: FROM %s names no version", kind, base)
			}
		}
		last := r.stages[len(r.stages)-1]
		var user string
		var health, entry, volume bool
		for _, command := range last.Commands {
			switch c := command.(type) {
			case *instructions.UserCommand:
				user = c.User
			case *instructions.HealthCheckCommand:
				health = slices.Contains(c.Health.Test, "healthcheck") && c.Health.Test[0] == "CMD"
			case *instructions.EntrypointCommand:
				entry = !c.PrependShell
			case *instructions.VolumeCommand:
				volume = slices.Equal(c.Volumes, []string{"/data"})
			case *instructions.ArgCommand:
				for _, pair := range c.Args {
					if pair.Key == "PACKAGE" && !regexp.MustCompile(`(@|==)\d+\.\d+\.\d+$`).MatchString(pair.ValueString()) {
						t.Errorf("%s: PACKAGE=%s names no version", kind, pair.ValueString())
					}
				}
			}
		}
		if user != "65532:65532" || !health || !entry || !volume {
			t.Errorf("%s: user %q, health check %t, entry point without a shell %t, volume %t", kind, user, health, entry, volume)
		}
	}
}

// TestRecipesRun does what a Dockerfile says, with the root of this machine in
// place of its base image: it is Debian or alike too, and has Node.js and Python.
func TestRecipesRun(t *testing.T) {
	for kind, program := range recipes {
		t.Run(kind, func(t *testing.T) {
			needRoot(t)
			if !slices.ContainsFunc(filepath.SplitList(programs), func(dir string) bool { _, err := os.Stat(filepath.Join(dir, program)); return err == nil }) {
				missing(t, program+" is absent: apt-get install nodejs npm python3 python3-pip")
			}
			r := readRecipe(t, kind)
			b := newRecipeBuild(t, r)
			p := b.start()
			at := "http://127.0.0.1:" + b.port
			p.get(at + "/healthz")
			if out, err := b.shproxy.run("healthcheck", "http://"+b.admin+"/readyz"); err != nil {
				t.Errorf("healthcheck: %v\n%s\n%s", err, out, p.log)
			}
			answer, err := http.Post(at+"/mcp", "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("without a token: %s", answer.Status)
			}
			if got := p.initialize(at+"/mcp", "Authorization", "Bearer "+token); got == "" {
				t.Errorf("the server behind shproxy has no name\n%s", p.log)
			}
			if err := p.stop(); err != nil {
				t.Errorf("SIGTERM to the first process of a container: %v\n%s", err, p.log)
			}
		})
	}
}

// programs is where images have theirs, and this machine its own; not what
// belongs to one user of it.
const programs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const token = "0123456789abcdef0123456789abcdef"

// mountMachine makes $1/rootfs of this machine's root, below what is written to it.
const mountMachine = `set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/rootfs"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/rootfs"
for dir in dev proc sys run; do
  if [ -d "/$dir" ]; then mount --rbind "/$dir" "$1/rootfs/$dir"; fi
done
cd "$1/rootfs"
`

// seal leaves a running container what a runtime would.
const seal = `umount -l "$1/rootfs/proc" "$1/rootfs/run" "$1/rootfs/sys"
mount -t proc proc "$1/rootfs/proc"
mount -t tmpfs -o mode=755 tmpfs "$1/rootfs/run"
mkdir "$1/rootfs/run/secrets"
(umask 077; printf '%s\n' "$2" >"$1/rootfs/run/secrets/tokens")
chown 65532:65532 "$1/rootfs/run/secrets/tokens"
mount -t tmpfs -o mode=1777 tmpfs "$1/rootfs/tmp"
mount -t tmpfs -o mode=700,uid=65532,gid=65532 tmpfs "$1/rootfs/data"
mount -o remount,ro "$1/rootfs"
`

// A recipeBuild is a script that does the steps of a recipe and then runs the
// result, all where nobody else sees the mounts.
type recipeBuild struct {
	t       *testing.T
	dir     string // to mount on
	script  strings.Builder
	shproxy *container // its image by itself
	// In place of 8080 and 127.0.0.1:9090, which a container has for itself.
	port, admin string
}

func newRecipeBuild(t *testing.T, r *recipe) *recipeBuild {
	t.Helper()
	b := &recipeBuild{t: t, dir: t.TempDir(), port: freePort(t), admin: "127.0.0.1:" + freePort(t)}
	b.shproxy = unpack(t, built(t, "shproxy").imageFor(t, local))
	b.script.WriteString(mountMachine)
	stages := map[string]string{}
	for _, stage := range r.stages[:len(r.stages)-1] {
		base := r.expand(t, stage.BaseName, r.global)
		switch image, version, _ := strings.Cut(base, ":"); path.Base(image) {
		case "shproxy":
			stages[stage.Name] = b.shproxy.root
		case "uv":
			stages[stage.Name] = fetchUV(t, version)
		default:
			t.Fatalf("FROM %s: this test has nothing in its place", base)
		}
		if len(stage.Commands) > 0 {
			t.Fatalf("FROM %s: this test does nothing there", base)
		}
	}
	var entry, command []string
	user, workdir := "0:0", "/"
	// The base image's, and what this machine needs to reach registries, which an
	// operator would have in the daemon's settings.
	env, reach := []string{"PATH=" + programs, "HOME=/root"}, []string{}
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); regexp.MustCompile(`(?i)^(npm_config_.*|uv_.*|(https?|no)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_.*)$`).MatchString(name) {
			reach = append(reach, pair)
		}
	}
	arguments := []string{}
	for _, instruction := range r.stages[len(r.stages)-1].Commands {
		switch c := instruction.(type) {
		case *instructions.ArgCommand:
			for _, pair := range c.Args {
				arguments = append(arguments, pair.Key+"="+pair.ValueString())
			}
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				env = append(env, pair.Key+"="+pair.Value)
			}
		case *instructions.RunCommand:
			environment := slices.Concat(reach, env, arguments)
			fmt.Fprintf(&b.script, "env -i %s unshare --root=\"$1/rootfs\" --wd=%s -- /bin/sh -c %s\n", quoteAll(environment), quote(workdir), quote(strings.Join(c.CmdLine, " ")))
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				fmt.Fprintf(&b.script, "cp -a %s \"$1/rootfs\"%s\n", quote(filepath.Join(stages[c.From], source)), quote(c.DestPath))
			}
		case *instructions.UserCommand:
			user = c.User
		case *instructions.WorkdirCommand:
			workdir = c.Path
		case *instructions.EntrypointCommand:
			entry = c.CmdLine
		case *instructions.CmdCommand:
			command = c.CmdLine
		case *instructions.VolumeCommand, *instructions.ExposeCommand, *instructions.HealthCheckCommand:
		default:
			t.Fatalf("%s: this test does not know it", instruction.Name())
		}
	}
	b.script.WriteString(seal)
	env = append(env, "MCP_PORT="+b.port)
	if i := slices.Index(command, "127.0.0.1:9090"); i > 0 {
		command[i] = b.admin
	}
	uid, gid, _ := strings.Cut(user, ":")
	fmt.Fprintf(&b.script, "exec env -i %s unshare --root=\"$1/rootfs\" --wd=%s --setgid=%s --setuid=%s -- %s\n", quoteAll(env), quote(workdir), gid, uid, quoteAll(append(entry, command...)))
	return b
}

func (b *recipeBuild) start() *process {
	return startProcess(b.t, asRoot(b.t, "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", b.script.String(), "recipe", b.dir, token))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, " ")
}

// fetchUV makes a directory of what uv's image has, from its wheel.
func fetchUV(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	download := exec.CommandContext(t.Context(), "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", dir, "uv=="+version)
	download.WaitDelay = 10 * time.Second
	if output, err := download.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("uv cannot be downloaded; apt-get install python3-pip?\n%s", output))
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("%d wheels, %v", len(wheels), err)
	}
	wheel, err := zip.OpenReader(wheels[0])
	if err != nil {
		t.Fatal(err)
	}
	defer wheel.Close()
	for _, f := range wheel.File {
		name := path.Base(f.Name)
		if !strings.HasSuffix(path.Dir(f.Name), ".data/scripts") || name != "uv" && name != "uvx" {
			continue
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
