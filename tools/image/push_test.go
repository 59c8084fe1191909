// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spdx/tools-golang/json"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

// startRegistry starts a registry, and returns the name of a repository there.
func startRegistry(t *testing.T, referrers bool) string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers)))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://") + "/atrawog/mcp-oauth-gateway"
}

func TestPush(t *testing.T) {
	for _, test := range []struct {
		name      string
		referrers bool
	}{{"registry with referrers", true}, {"registry without", false}} {
		t.Run(test.name, func(t *testing.T) {
			p := built(t, "shproxy")
			where := startRegistry(t, test.referrers) + "/shproxy"
			for range 2 { // again changes nothing
				if err := p.push(t.Context(), where); err != nil {
					t.Fatal(err)
				}
			}
			repo, err := name.NewRepository(where)
			if err != nil {
				t.Fatal(err)
			}
			index, err := remote.Index(repo.Tag(p.tag()))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := digestOf(t, index), digestOf(t, p.index); got != want {
				t.Errorf("the registry has %s, want %s", got, want)
			}
			for i, platform := range both {
				img, err := remote.Image(repo.Tag(p.tag()), remote.WithPlatform(*parsePlatform(platform)))
				if err != nil {
					t.Fatal(err)
				}
				if got, want := digestOf(t, img), digestOf(t, p.images[i]); got != want {
					t.Errorf("%s: the registry has %s, want %s", platform, got, want)
				}
				checkSBOM(t, repo.Digest(digestOf(t, img)))
			}

			other := *p
			other.index = empty.Index
			if err := other.push(t.Context(), where); err == nil || !strings.Contains(err.Error(), "release a new version") {
				t.Errorf("another image as the same version: %v", err)
			}
			if index, err := remote.Index(repo.Tag(p.tag())); err != nil || digestOf(t, index) != digestOf(t, p.index) {
				t.Errorf("the tag was moved (%v)", err)
			}
		})
	}
}

// checkSBOM reads the SBOM that a registry lists as referring to an image.
func checkSBOM(t *testing.T, image name.Digest) {
	t.Helper()
	referrers, err := remote.Referrers(image)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := referrers.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("%d documents refer to %s", len(manifest.Manifests), image)
	}
	artifact, err := remote.Image(image.Context().Digest(manifest.Manifests[0].Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	// Its own word: the registry of the test lists the type of the config instead.
	if own, err := artifact.Manifest(); err != nil || own.ArtifactType != "application/spdx+json" {
		t.Fatalf("what refers to %s is %+v (%v), want an SBOM", image, own, err)
	}
	layers, err := artifact.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d documents, %v", len(layers), err)
	}
	text, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	doc := &spdx.Document{}
	if err := json.ReadInto(text, doc); err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	found := map[string]*spdx.Package{}
	for _, p := range doc.Packages {
		found[p.PackageName] = p
		if p.PackageLicenseConcluded == "NOASSERTION" {
			t.Errorf("%s has no licence that is known", p.PackageName)
		}
	}
	for _, want := range []string{"shproxy", "github.com/atrawog/mcp-oauth-gateway/oauthdyn", "github.com/spf13/cobra", "golang.org/x/crypto/x509roots/fallback", "stdlib"} {
		if found[want] == nil {
			t.Errorf("the SBOM lacks %s", want)
		}
	}
	if cobra := found["github.com/spf13/cobra"]; cobra != nil && !strings.HasPrefix(cobra.PackageSourceInfo, "go.sum: h1:") {
		t.Errorf("cobra's sum is %q", cobra.PackageSourceInfo)
	}
}

func TestPushRefusesWhatIsInNoCommit(t *testing.T) {
	p := *built(t, "shproxy")
	inventory := *p.inventory
	inventory.Modified = true
	p.inventory = &inventory
	if err := p.push(t.Context(), startRegistry(t, true)+"/shproxy"); err == nil || !strings.Contains(err.Error(), "in no commit") {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestIsLatest(t *testing.T) {
	for _, test := range []struct {
		version, tags string
		want          bool
	}{
		{"v0.1.0", "", true},
		{"v0.2.0", "v0.1.0 latest v0.2.0", true},
		{"v0.1.1", "v0.1.0 v0.2.0", false}, // a fix of an older line
		{"v0.2.0", "v0.10.0", false},
		{"v0.2.0", "v0.3.0-rc.1 sha256-abc", true},
		{"v0.2.0-rc.1", "", false},
		{"v0.0.0-20261129100005-16f2f3f75ed4", "", false},
	} {
		if got := isLatest(test.version, strings.Fields(test.tags)); got != test.want {
			t.Errorf("%s beside %q: latest is %t, want %t", test.version, test.tags, got, test.want)
		}
	}
}
