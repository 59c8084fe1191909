// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/mod/semver"

	"github.com/atrawog/mcp-oauth-gateway/tools/sbom"
)

// emptyJSON is the config of a manifest that is no image (OCI image spec 1.1).
const emptyJSON = types.MediaType("application/vnd.oci.empty.v1+json")

// An artifact is a manifest that holds one document about an image and refers to
// it, so that registries list it as the image's referrer.
type artifact struct {
	manifest []byte
	document v1.Layer
}

func (a *artifact) RawConfigFile() ([]byte, error)      { return []byte("{}"), nil }
func (a *artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *artifact) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) {
	return a.document, nil
}

// attach makes the artifact with the SBOM of an image. With roots, the image has
// our certificates in it.
func attach(img v1.Image, inv *sbom.Inventory, withRoots bool) (v1.Image, error) {
	whole := *inv
	if withRoots {
		roots, err := rootsModule()
		if err != nil {
			return nil, err
		}
		whole.Modules = append(append([]sbom.Module{}, inv.Modules...), roots)
	}
	var b bytes.Buffer
	if err := whole.WriteSPDX(&b); err != nil {
		return nil, err
	}
	a := &artifact{document: static.NewLayer(b.Bytes(), sbom.MediaType)}
	subject, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	document, err := partial.Descriptor(a.document)
	if err != nil {
		return nil, err
	}
	document.Annotations = map[string]string{"org.opencontainers.image.title": inv.Name + ".spdx.json"}
	config := static.NewLayer([]byte("{}"), emptyJSON)
	hash, err := config.Digest()
	if err != nil {
		return nil, err
	}
	a.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  sbom.MediaType,
		Config:        v1.Descriptor{MediaType: emptyJSON, Size: 2, Digest: hash, Data: []byte("{}")},
		Layers:        []v1.Descriptor{*document},
		Subject:       &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest},
		Annotations:   map[string]string{"org.opencontainers.image.created": labels(inv)["org.opencontainers.image.created"]},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(a)
}

// save writes the layout DIR/NAME, and for each platform an archive.
func (p *product) save(dir string) error {
	target := filepath.Join(dir, p.name)
	if _, err := os.Lstat(target); err == nil {
		return fmt.Errorf("%s is there already: remove it or choose another directory", target)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	to, err := layout.Write(target, empty.Index)
	if err != nil {
		return err
	}
	if err := to.AppendIndex(p.index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": p.tag()})); err != nil {
		return err
	}
	for _, a := range p.artifacts {
		if err := to.AppendImage(a); err != nil {
			return err
		}
	}
	ref, err := name.NewTag(p.name + ":" + p.tag())
	if err != nil {
		return err
	}
	for i, platform := range p.platforms {
		archive := target + "_" + strings.ReplaceAll(platform, "/", "_") + ".tar"
		if err := tarball.WriteToFile(archive, ref, p.images[i]); err != nil {
			return err
		}
	}
	return nil
}

// push sends everything to a repository, the tags last. What a version's tag stands
// for is never changed.
func (p *product) push(ctx context.Context, where string) error {
	if p.inventory.Modified {
		return errors.New("the checkout has changes that are in no commit: commit them, so that others can build the same")
	}
	repo, err := name.NewRepository(where)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithUserAgent("mcp-oauth-gateway-image")}
	tags, err := remote.List(repo, options...)
	if notThere(err) {
		tags, err = nil, nil
	}
	if err != nil {
		return err
	}
	digest, err := p.index.Digest()
	if err != nil {
		return err
	}
	version := repo.Tag(p.tag())
	switch there, err := remote.Head(version, options...); {
	case err == nil && there.Digest != digest:
		return fmt.Errorf("%s is %s there, and would become %s: release a new version", p.tag(), there.Digest, digest)
	case err != nil && !notThere(err):
		return err
	}
	if err := remote.WriteIndex(repo.Digest(digest.String()), p.index, options...); err != nil {
		return err
	}
	for _, a := range p.artifacts {
		hash, err := a.Digest()
		if err != nil {
			return err
		}
		if err := remote.Write(repo.Digest(hash.String()), a, options...); err != nil {
			return fmt.Errorf("SBOM: %w", err)
		}
	}
	if err := remote.Tag(version, p.index, options...); err != nil {
		return err
	}
	if !isLatest(p.tag(), tags) {
		return nil
	}
	return remote.Tag(repo.Tag("latest"), p.index, options...)
}

// isLatest is true for a release that none of the tags is higher than.
func isLatest(version string, tags []string) bool {
	if !semver.IsValid(version) || semver.Prerelease(version) != "" {
		return false
	}
	for _, tag := range tags {
		if semver.Prerelease(tag) == "" && semver.Compare(tag, version) > 0 {
			return false
		}
	}
	return true
}

func notThere(err error) bool {
	failure, ok := errors.AsType[*transport.Error](err)
	return ok && failure.StatusCode == http.StatusNotFound
}

// baseImage fetches what a command is added to; nil without a reference, which
// has to name a digest, so that the image stays the same.
func baseImage(ctx context.Context, reference, platform string) (v1.Image, error) {
	if reference == "" {
		return nil, nil
	}
	ref, err := name.NewDigest(reference)
	if err != nil {
		return nil, fmt.Errorf("-base needs the digest of an image, NAME@sha256:...: %w", err)
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(*parsePlatform(platform)), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, fmt.Errorf("-base %s: %w", reference, err)
	}
	return img, nil
}
