// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/atrawog/mcp-oauth-gateway/tools/internal/build"
	"github.com/atrawog/mcp-oauth-gateway/tools/sbom"
)

const source = "https://github.com/atrawog/mcp-oauth-gateway"

// A command that there is an image of.
type command struct {
	description string
	port        string // that its documentation uses; empty if it serves nothing
}

var commands = map[string]command{
	"oauthdyn":    {"OAuth 2.1 authorization server and client for the Model Context Protocol", "9000/tcp"},
	"shproxy":     {"Offers MCP servers that speak stdio over Streamable HTTP", "8080/tcp"},
	"fetchserver": {"MCP server that reads web pages for a model", "3000/tcp"},
	"shclient":    {"Connects programs and people with remote MCP servers", ""},
}

// A product is an image of a command for several platforms, with what belongs
// to it.
type product struct {
	name      string
	index     v1.ImageIndex
	images    []v1.Image // one for each platform
	artifacts []v1.Image // their SBOMs, which refer to them
	platforms []string
	inventory *sbom.Inventory // of the first platform's binary
}

// tag is the version, in the letters that a tag may have.
func (p *product) tag() string { return strings.ReplaceAll(p.inventory.Main.Version, "+", "-") }

func (s *settings) build(ctx context.Context, name string) (*product, error) {
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p := &product{name: name, platforms: s.platforms}
	var adds []mutate.IndexAddendum
	for _, platform := range s.platforms {
		target := build.Target{
			Module: filepath.Join(s.repo, name), Command: name, Platform: platform,
			Workspace: s.workspace, File: filepath.Join(dir, strings.ReplaceAll(platform, "/", "_")),
		}
		if err := target.Build(ctx); err != nil {
			if !s.workspace {
				err = fmt.Errorf("%w\nbetween releases, -workspace takes our own modules from this checkout", err)
			}
			return nil, err
		}
		inv, err := sbom.Read(ctx, target.File, target.Module, s.workspace)
		if err != nil {
			return nil, err
		}
		if p.inventory == nil {
			p.inventory = inv
		}
		binary, err := os.ReadFile(target.File)
		if err != nil {
			return nil, err
		}
		base, err := baseImage(ctx, s.base, platform)
		if err != nil {
			return nil, err
		}
		img, err := imageOf(base, inv, binary, platform)
		if err != nil {
			return nil, err
		}
		artifact, err := attach(img, inv, base == nil)
		if err != nil {
			return nil, err
		}
		p.images, p.artifacts = append(p.images, img), append(p.artifacts, artifact)
		adds = append(adds, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: parsePlatform(platform)}})
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), adds...)
	p.index = mutate.Annotations(index, labels(p.inventory)).(v1.ImageIndex)
	return p, nil
}

func parsePlatform(platform string) *v1.Platform {
	goos, arch, _ := strings.Cut(platform, "/")
	return &v1.Platform{OS: goos, Architecture: arch}
}

// labels describe an image, as labels and as annotations.
func labels(inv *sbom.Inventory) map[string]string {
	const key = "org.opencontainers.image."
	return map[string]string{
		key + "title":         inv.Name,
		key + "description":   commands[inv.Name].description,
		key + "version":       inv.Main.Version,
		key + "revision":      inv.Revision,
		key + "created":       inv.Created.Format(time.RFC3339),
		key + "licenses":      "Apache-2.0",
		key + "source":        source,
		key + "url":           source,
		key + "documentation": source + "/blob/main/docs/images.md",
		key + "vendor":        "mcp-oauth-gateway",
	}
}

// imageOf puts a command upon a base, or, without one, into an image of its own.
func imageOf(base v1.Image, inv *sbom.Inventory, binary []byte, platform string) (v1.Image, error) {
	img, files, created := base, []file{dataDir()}, inv.Created
	if base == nil {
		img = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
		// The same in every image and release, thus stored and fetched once.
		files, created = rootFiles(), time.Unix(0, 0).UTC()
	}
	root, err := layer(created, files...)
	if err != nil {
		return nil, err
	}
	var licenses bytes.Buffer
	if err := inv.WriteLicenses(&licenses); err != nil {
		return nil, err
	}
	program := "usr/local/bin/" + inv.Name
	binaries, err := layer(inv.Created,
		file{name: program, mode: 0o755, body: binary},
		file{name: "usr/share/doc/" + inv.Name + "/LICENSES", mode: 0o644, body: licenses.Bytes()})
	if err != nil {
		return nil, err
	}
	img, err = mutate.Append(img,
		mutate.Addendum{Layer: root, History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "user, certificates, " + home}},
		mutate.Addendum{Layer: binaries, History: v1.History{Created: v1.Time{Time: inv.Created}, CreatedBy: inv.Name + " " + inv.Main.Version}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	configure(config, inv, platform)
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(img, labels(inv)).(v1.Image), nil
}

// configure says how the command is run. Of a base it keeps the environment.
func configure(file *v1.ConfigFile, inv *sbom.Inventory, platform string) {
	at := parsePlatform(platform)
	file.OS, file.Architecture = at.OS, at.Architecture
	file.Created = v1.Time{Time: inv.Created}
	c := &file.Config
	c.User = fmt.Sprintf("%d:%d", user, user)
	c.WorkingDir = home
	c.Volumes = map[string]struct{}{home: {}}
	c.Entrypoint, c.Cmd = []string{"/usr/local/bin/" + inv.Name}, nil
	c.Labels = labels(inv)
	if port := commands[inv.Name].port; port != "" {
		c.ExposedPorts = map[string]struct{}{port: {}}
	}
	c.Env = slices.DeleteFunc(c.Env, func(s string) bool { return strings.HasPrefix(s, "HOME=") })
	if !slices.ContainsFunc(c.Env, func(s string) bool { return strings.HasPrefix(s, "PATH=") }) {
		c.Env = append(c.Env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	c.Env = append(c.Env, "HOME="+home)
}
