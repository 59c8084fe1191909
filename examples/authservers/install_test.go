// SPDX-License-Identifier: Apache-2.0

package authservers_test

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

// Keycloak as its project publishes it in Maven Central.
const (
	keycloakVersion = "26.7.3"
	keycloakZIP     = "keycloak-quarkus-dist-" + keycloakVersion + ".zip"
	keycloakSHA256  = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
	mavenDependency = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
)

// A keycloakBuild is a Keycloak with some of its features turned on, which is
// decided when it is built.
type keycloakBuild struct {
	name     string
	features string // further ones; empty: those that its project supports
}

var (
	keycloakStandard     = keycloakBuild{name: "standard"}
	keycloakExperimental = keycloakBuild{name: "experimental", features: "resource-indicators,cimd"}
)

// dir is outside of the tree, where it is installed once for all clones.
func (b keycloakBuild) dir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "mcp-oauth-gateway", "keycloak-"+keycloakVersion, b.name)
}

// recipe tells one way to build from another.
func (b keycloakBuild) recipe() string { return keycloakSHA256 + " " + b.features + "\n" }

// stamp holds the recipe when all is built.
func (b keycloakBuild) stamp() string { return filepath.Join(b.dir(), "authservers-recipe") }

func (b keycloakBuild) installed() bool {
	data, err := os.ReadFile(b.stamp())
	return err == nil && string(data) == b.recipe()
}

// command runs Keycloak without its shell script, which would stand between it
// and its end. The options are those of the script.
func (b keycloakBuild) command(ctx context.Context, args ...string) *exec.Cmd {
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	cmd := exec.CommandContext(ctx, java, append([]string{
		"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dkc.home.dir=" + b.dir(),
		"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
		"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
		"--add-opens=java.base/java.security=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
		"-cp", filepath.Join(b.dir(), "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
	}, args...)...)
	cmd.Dir = b.dir()
	return cmd
}

func oidcProviderBundle() bundle.Bundle { return bundle.NPM("oidc-provider", "testdata") }

func install(ctx context.Context) error {
	if err := bundle.Install(ctx, os.Stdout, oidcProviderBundle()); err != nil {
		return err
	}
	return installKeycloak(ctx)
}

func installKeycloak(ctx context.Context) error {
	archive := ""
	for _, b := range []keycloakBuild{keycloakStandard, keycloakExperimental} {
		if b.installed() {
			continue
		}
		if archive == "" {
			dir, err := os.MkdirTemp("", "keycloak")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			if archive, err = fetchKeycloak(ctx, dir); err != nil {
				return err
			}
		}
		fmt.Printf("installing Keycloak %s into %s\n", keycloakVersion, b.dir())
		if err := errors.Join(os.RemoveAll(b.dir()), unzip(archive, b.dir())); err != nil {
			return err
		}
		args := []string{"build", "--db=dev-mem"}
		if b.features != "" {
			args = append(args, "--features="+b.features)
		}
		if out, err := b.command(ctx, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("keycloak build: %w\n%s", err, out)
		}
		if err := os.WriteFile(b.stamp(), []byte(b.recipe()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fetchKeycloak lets Maven copy the distribution into a directory.
func fetchKeycloak(ctx context.Context, dir string) (archive string, err error) {
	mvn := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", mavenDependency+":copy",
		"-Dartifact=org.keycloak:keycloak-quarkus-dist:"+keycloakVersion+":zip", "-DoutputDirectory="+dir)
	mvn.Dir = dir
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn: %w\n%s", err, out)
	}
	archive = filepath.Join(dir, keycloakZIP)
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != keycloakSHA256 {
		return "", fmt.Errorf("%s has the SHA-256 sum %s: want %s", keycloakZIP, got, keycloakSHA256)
	}
	return archive, nil
}

// unzip writes what is below the archive's one directory into dir.
func unzip(archive, dir string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	const top = "keycloak-" + keycloakVersion
	for _, f := range z.File {
		name, err := filepath.Rel(top, filepath.FromSlash(f.Name))
		if err != nil || !filepath.IsLocal(name) {
			return fmt.Errorf("%s: unexpected %q", archive, f.Name)
		}
		if err := extract(f, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func extract(f *zip.File, path string) error {
	if f.FileInfo().IsDir() {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
