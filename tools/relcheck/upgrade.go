// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// upgradeMain is a program outside the repository that signs in with the client
// library, and refreshes what it got.
//
//go:embed testdata/upgrade.go.txt
var upgradeMain string

// The person who signs in.
const (
	upgradeUser     = "ana"
	upgradePassword = "correct horse battery"
)

// An upgrade is from one version of oauthdyn to a later one.
type upgrade struct {
	*rehearsal
	from, to         string // versions
	oldClient, newer string // programs built of upgradeMain with these
}

// upgradeStores has the last release keep people, clients and grants, and the
// next one go on with them. Clients are upgraded before and after the server.
func (r *rehearsal) upgradeStores(ctx context.Context) error {
	u := &upgrade{rehearsal: r, from: r.lastBefore("oauthdyn"), to: r.newest("oauthdyn")}
	err := r.step("oauthdyn: build programs with the client library "+u.from+" and "+u.to, func() (err error) {
		if u.oldClient, err = u.buildClient(ctx, u.from); err != nil {
			return err
		}
		u.newer, err = u.buildClient(ctx, u.to)
		return err
	})
	if err != nil {
		return err
	}
	err = r.step("oauthdyn: upgrade of a store in a file, "+u.from+" to "+u.to, func() error {
		return u.walk(ctx, filepath.Join(r.dir, "upgrade-file"))
	})
	if err != nil {
		return err
	}
	return r.step("oauthdyn: upgrade of a store in Redis, "+u.from+" to "+u.to, func() error { return u.walkRedis(ctx) })
}

// lastBefore is the release before the one that is rehearsed last: the last real
// one if there is one, or else the rehearsal's first.
func (r *rehearsal) lastBefore(dir string) string {
	tags := r.tags[dir]
	return tags[max(0, len(tags)-1-r.rehearsed(dir))]
}

func (u *upgrade) walkRedis(ctx context.Context) (err error) {
	program, err := u.need("redis-server", "apt-get install redis-server")
	if err != nil {
		return err
	}
	dir := filepath.Join(u.dir, "upgrade-redis")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// A socket path has few bytes, and a port is for everybody on the machine.
	socket := filepath.Join(dir, "redis")
	redis := exec.CommandContext(ctx, program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", dir, "--save", "")
	if err := redis.Start(); err != nil {
		return err
	}
	defer func() {
		_ = redis.Process.Signal(os.Interrupt)
		_ = redis.Wait()
	}()
	return u.walk(ctx, dir, "--store", "unix://"+socket)
}

// walk signs in at the old server and refreshes at the new one.
func (u *upgrade) walk(ctx context.Context, data string, flags ...string) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	issuer := "http://" + addr
	credentials := filepath.Join(u.dir, filepath.Base(data)+".json")
	serve := func(version string, do func() error) error {
		args := append([]string{"serve", "--addr", addr, "--data", data, "--resource", issuer + "/mcp"}, flags...)
		server, err := u.serveAt(ctx, issuer+"/jwks", nil, u.command("oauthdyn", version), args...)
		if err != nil {
			return err
		}
		if err := errors.Join(do(), server.stop(addr)); err != nil {
			return fmt.Errorf("with the server %s: %w\n%s", version, err, server.stderr.String())
		}
		return nil
	}
	ask := func(client, what string) error {
		_, err := u.run(ctx, u.dir, client, what, issuer, credentials, upgradeUser, upgradePassword)
		return err
	}
	add := exec.CommandContext(ctx, u.command("oauthdyn", u.from), "user", "add", upgradeUser, "--data", data)
	add.Stdin = strings.NewReader(upgradePassword + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("user add: %w\n%s", err, out)
	}
	err = serve(u.from, func() error { return ask(u.oldClient, "sign-in") })
	if err != nil {
		return err
	}
	return serve(u.to, func() error {
		for _, client := range []string{u.oldClient, u.newer, u.oldClient} {
			if err := ask(client, "refresh"); err != nil {
				return err
			}
		}
		return ask(u.newer, "sign-in") // the person and the client are known still
	})
}

// buildClient builds upgradeMain with a version of the library.
func (u *upgrade) buildClient(ctx context.Context, version string) (string, error) {
	at := filepath.Join(u.dir, "client-"+version)
	if err := os.Mkdir(at, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(at, "main.go"), []byte(upgradeMain), 0o644); err != nil {
		return "", err
	}
	program := filepath.Join(at, "client")
	for _, args := range [][]string{
		{"mod", "init", "stranger.example/client"}, {"get", prefix + "/oauthdyn@" + version}, {"mod", "tidy"}, {"build", "-o", program},
	} {
		if _, err := u.run(ctx, at, "go", args...); err != nil {
			return "", err
		}
	}
	return program, nil
}
