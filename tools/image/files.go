// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/atrawog/mcp-oauth-gateway/tools/sbom"
)

// user is whom the command runs as, by number, so that Kubernetes can see that it
// is not root.
const user = 65532

// home is the user's directory and a volume: what has to outlive a container.
const home = "/data"

// certificates is where Go, OpenSSL and Node look for whom to trust.
const certificates = "etc/ssl/certs/ca-certificates.crt"

const passwd = `root:x:0:0:root:/:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
nonroot:x:65532:65532:nonroot:/data:/sbin/nologin
`

const group = `root:x:0:
nobody:x:65534:
nonroot:x:65532:
`

// A file of a layer, or a directory if the name ends in a slash.
type file struct {
	name string // relative
	mode fs.FileMode
	id   int // user and group
	body []byte
}

// rootFiles are what a command needs besides itself, in an image of its own.
func rootFiles() []file {
	return []file{
		dataDir(),
		{name: "etc/group", mode: 0o644, body: []byte(group)},
		{name: "etc/passwd", mode: 0o644, body: []byte(passwd)},
		{name: certificates, mode: 0o644, body: roots()},
		{name: "tmp/", mode: 0o777 | fs.ModeSticky},
	}
}

// dataDir is what a new volume gets owner and mode from.
func dataDir() file { return file{name: strings.Trim(home, "/") + "/", mode: 0o700, id: user} }

// roots is the bundle of certification authorities that Mozilla trusts, as PEM,
// without those that it trusts for a part of their certificates only: a file cannot
// say so.
func roots() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes all
		}
	}
	return b.Bytes()
}

// rootsModule is where roots come from, as this program knows it.
func rootsModule() (sbom.Module, error) {
	const path = "golang.org/x/crypto/x509roots/fallback"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return sbom.Module{}, errors.New("this program does not know its modules")
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return sbom.Module{Path: path, Version: m.Version, Sum: m.Sum, License: "BSD-3-Clause AND MPL-2.0"}, nil
		}
	}
	return sbom.Module{}, errors.New("this program does not know its module " + path)
}

// layer packs files, with the directories they are in, by name and with one time.
func layer(at time.Time, files ...file) (v1.Layer, error) {
	known := map[string]bool{".": true}
	for _, f := range files {
		known[path.Clean(f.name)] = true
	}
	for _, f := range slices.Clone(files) {
		for dir := path.Dir(path.Clean(f.name)); !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			files = append(files, file{name: dir + "/", mode: 0o755})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{
			Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.body)),
			Mode: int64(f.mode.Perm()), Uid: f.id, Gid: f.id, ModTime: at,
		}
		if f.mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
