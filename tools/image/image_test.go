// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// cold has the second of two builds that are compared start from an empty cache of
// the go command: minutes, in which the compiler is compared too.
var cold = flag.Bool("cold", false, "build with an empty build cache")

var (
	both  = []string{"linux/amd64", "linux/arm64"}
	local = "linux/" + runtime.GOARCH
)

// checkout clones HEAD, since the go command stamps no linked worktree, and a
// checkout with changes as such.
func checkout(ctx context.Context, dir string) error {
	repo, err := findRepo()
	if err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, "git", "clone", "--quiet", "file://"+filepath.ToSlash(repo), dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("git clone: %w\n%s", err, output)
	}
	return nil
}

// shared are the checkout and the images that tests have in common.
var shared struct {
	sync.Mutex
	dir    string
	builds map[string]*product
}

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "image-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared.dir, shared.builds = dir, map[string]*product{}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// built is an image of a command, for both platforms if it is shproxy's.
func built(t *testing.T, name string) *product {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		missing(t, "git is absent: apt-get install git")
	}
	shared.Lock()
	defer shared.Unlock()
	if p := shared.builds[name]; p != nil {
		return p
	}
	repo := filepath.Join(shared.dir, "checkout")
	if _, err := os.Stat(repo); err != nil {
		if err := checkout(t.Context(), repo); err != nil {
			t.Fatal(err)
		}
	}
	platforms := []string{local}
	if name == "shproxy" {
		platforms = both
	}
	p, err := (&settings{repo: repo, platforms: platforms, workspace: true}).build(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	shared.builds[name] = p
	return p
}

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func digestOf(t *testing.T, of interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	hash, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// imageFor is the image of a product for the machine that runs the test.
func (p *product) imageFor(t *testing.T, platform string) v1.Image {
	t.Helper()
	i := slices.Index(p.platforms, platform)
	if i < 0 {
		t.Fatalf("no image for %s", platform)
	}
	return p.images[i]
}

func TestSameCommitMakesSameImage(t *testing.T) {
	first := built(t, "shproxy")
	elsewhere := filepath.Join(t.TempDir(), "a longer name", "of another directory")
	if err := checkout(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	// Another user, with other habits.
	cache, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.Split(string(cache), "\n")
	if *cold {
		paths[0] = t.TempDir()
	}
	for name, value := range map[string]string{
		"GOCACHE": paths[0], "GOMODCACHE": paths[1], "GOPATH": paths[2],
		"HOME": t.TempDir(), "TMPDIR": t.TempDir(), "USER": "somebody", "TZ": "Asia/Tokyo", "LC_ALL": "C",
		"GOFLAGS": "-tags=other -ldflags=-s", "GOAMD64": "v3", "GOARM64": "v9.0", "CGO_ENABLED": "1", "GOWORK": "off",
	} {
		t.Setenv(name, value)
	}
	second, err := (&settings{repo: elsewhere, platforms: both, workspace: true}).build(t.Context(), "shproxy")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := digestOf(t, first.index), digestOf(t, second.index); a != b {
		t.Errorf("the index is %s from one directory and %s from another", a, b)
	}
	for i := range both {
		if a, b := digestOf(t, first.images[i]), digestOf(t, second.images[i]); a != b {
			t.Errorf("%s: the image is %s from one directory and %s from another", both[i], a, b)
		}
		if a, b := digestOf(t, first.artifacts[i]), digestOf(t, second.artifacts[i]); a != b {
			t.Errorf("%s: the SBOM is %s from one directory and %s from another", both[i], a, b)
		}
	}
}

// entries lists what is in an image, by name, as mode, owner and type, with the
// contents of files.
func entries(t *testing.T, img v1.Image) (list []string, contents map[string][]byte) {
	t.Helper()
	archive := mutate.Extract(img)
	defer archive.Close()
	contents = map[string][]byte{}
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			slices.Sort(list)
			return list, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		if contents[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %c %04o %d:%d", strings.TrimSuffix(h.Name, "/"), h.Typeflag, h.Mode, h.Uid, h.Gid))
	}
}

func TestNothingElseIsInAnImage(t *testing.T) {
	p := built(t, "shproxy")
	want := []string{
		"data 5 0700 65532:65532",
		"etc 5 0755 0:0",
		"etc/group 0 0644 0:0",
		"etc/passwd 0 0644 0:0",
		"etc/ssl 5 0755 0:0",
		"etc/ssl/certs 5 0755 0:0",
		"etc/ssl/certs/ca-certificates.crt 0 0644 0:0",
		"tmp 5 1777 0:0",
		"usr 5 0755 0:0",
		"usr/local 5 0755 0:0",
		"usr/local/bin 5 0755 0:0",
		"usr/local/bin/shproxy 0 0755 0:0",
		"usr/share 5 0755 0:0",
		"usr/share/doc 5 0755 0:0",
		"usr/share/doc/shproxy 5 0755 0:0",
		"usr/share/doc/shproxy/LICENSES 0 0644 0:0",
	}
	for i, platform := range both {
		got, contents := entries(t, p.images[i])
		if !slices.Equal(got, want) {
			t.Errorf("%s: the image holds\n%s\nwant\n%s", platform, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		binary, err := elf.NewFile(bytes.NewReader(contents["usr/local/bin/shproxy"]))
		if err != nil {
			t.Fatal(err)
		}
		if machine := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}[platform]; binary.Machine != machine {
			t.Errorf("%s: the binary is for %s", platform, binary.Machine)
		}
		for _, program := range binary.Progs {
			if program.Type == elf.PT_INTERP {
				t.Errorf("%s: the binary is linked dynamically, and the image has no libraries", platform)
			}
		}
		if texts := string(contents["usr/share/doc/shproxy/LICENSES"]); !strings.Contains(texts, "oauthdyn") || !strings.Contains(texts, "stdlib") {
			t.Errorf("%s: the licences are not those of all modules", platform)
		}
	}
}

func TestConfigurationOfAnImage(t *testing.T) {
	p := built(t, "shproxy")
	for i, platform := range both {
		file, err := p.images[i].ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got := file.OS + "/" + file.Architecture; got != platform {
			t.Errorf("the image says that it is for %s, want %s", got, platform)
		}
		if !file.Created.Equal(p.inventory.Created) {
			t.Errorf("%s: created at %s, want the time of the commit, %s", platform, file.Created, p.inventory.Created)
		}
		c := file.Config
		if c.User != "65532:65532" || c.WorkingDir != "/data" || !slices.Equal(c.Entrypoint, []string{"/usr/local/bin/shproxy"}) || c.Cmd != nil {
			t.Errorf("%s: user %s, directory %s, entry point %v, arguments %v", platform, c.User, c.WorkingDir, c.Entrypoint, c.Cmd)
		}
		if _, ok := c.Volumes["/data"]; !ok {
			t.Errorf("%s: /data is no volume", platform)
		}
		if _, ok := c.ExposedPorts["8080/tcp"]; !ok {
			t.Errorf("%s: Traefik and people find no port", platform)
		}
		manifest, err := p.images[i].Manifest()
		if err != nil {
			t.Fatal(err)
		}
		index, err := p.index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		revision, err := exec.Command("git", "-C", filepath.Join(shared.dir, "checkout"), "rev-parse", "HEAD").Output()
		if err != nil {
			t.Fatal(err)
		}
		for where, labels := range map[string]map[string]string{"labels": c.Labels, "annotations of the image": manifest.Annotations, "annotations of the index": index.Annotations} {
			for key, want := range map[string]string{
				"title": "shproxy", "version": p.inventory.Main.Version, "licenses": "Apache-2.0",
				"source": "https://github.com/atrawog/mcp-oauth-gateway", "revision": strings.TrimSpace(string(revision)),
				"created": p.inventory.Created.Format("2006-01-02T15:04:05Z"),
			} {
				if got := labels["org.opencontainers.image."+key]; got != want {
					t.Errorf("%s: %s: %s is %q, want %q", platform, where, key, got, want)
				}
			}
		}
	}
}

func TestCertificates(t *testing.T) {
	text := roots()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("Go loads no certificate")
	}
	names := map[string]bool{}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names[certificate.Subject.CommonName] = true
	}
	if len(names) < 100 || !names["ISRG Root X1"] || !names["GTS Root R1"] {
		t.Errorf("%d authorities, Let's Encrypt: %t, Google: %t", len(names), names["ISRG Root X1"], names["GTS Root R1"])
	}
}

func TestSave(t *testing.T) {
	p := built(t, "shproxy")
	dir := filepath.Join(t.TempDir(), "new")
	if err := p.save(dir); err != nil {
		t.Fatal(err)
	}
	if err := p.save(dir); err == nil || !strings.Contains(err.Error(), "choose another directory") {
		t.Errorf("what is there must not be lost: %v", err)
	}
	root, err := layout.ImageIndexFromPath(filepath.Join(dir, "shproxy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(root); err != nil {
		t.Error(err)
	}
	manifest, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := manifest.Manifests[0]; got.Digest.String() != digestOf(t, p.index) || got.Annotations["org.opencontainers.image.ref.name"] != p.tag() {
		t.Errorf("the layout holds %s as %v", got.Digest, got.Annotations)
	}
	if len(manifest.Manifests) != 3 || manifest.Manifests[1].ArtifactType != "application/spdx+json" {
		t.Errorf("the layout holds %+v, want an index and two SBOMs", manifest.Manifests)
	}
	for i, platform := range both {
		img, err := tarball.ImageFromPath(filepath.Join(dir, "shproxy_"+strings.ReplaceAll(platform, "/", "_")+".tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := img.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		if want, err := p.images[i].ConfigName(); err != nil || got != want {
			t.Errorf("%s: docker load would get %s, want %s (%v)", platform, got, want, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "name a command"},
		{"-out d", "name a command"},
		{"shproxy", "where images go to"},
		{"-out d nginx", `"nginx" is not one of`},
		{"-out d -platform linux/386 shproxy", "linux/amd64 or linux/arm64"},
		{"-platforms x shproxy", "flag provided but not defined"},
	} {
		_, err := parse(strings.Fields(test.args))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("image %s: %v, want an error with %q", test.args, err, test.want)
		}
	}
	s := &settings{base: "node:22-slim", platforms: []string{local}}
	if _, err := baseImage(t.Context(), s.base, local); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a base without a digest: %v", err)
	}
}
