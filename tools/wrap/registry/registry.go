// SPDX-License-Identifier: Apache-2.0

// Package registry serves npm tarballs and wheels from directories as npmjs.com
// and PyPI would, so that npm, npx, pip and uvx can be tried with packages that
// are not published.
package registry

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha1" // npm's old checksum
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxManifest bounds the package.json of a tarball.
const maxManifest = 1 << 20

// A version is what a registry knows of one version of an npm package.
type version map[string]any

// Handler serves the tarballs of npmDir at /npm/ and the wheels of wheelDir at
// /simple/. The packages are read once, now.
func Handler(npmDir, wheelDir string) (http.Handler, error) {
	mux := http.NewServeMux()
	if err := serveNPM(mux, npmDir); err != nil {
		return nil, err
	}
	if err := serveWheels(mux, wheelDir); err != nil {
		return nil, err
	}
	return mux, nil
}

// serveNPM serves a document for each package, with its versions.
// https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md
func serveNPM(mux *http.ServeMux, dir string) error {
	tarballs, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return err
	}
	packages := map[string]map[string]version{} // name, then version
	for _, path := range tarballs {
		v, err := readTarball(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, _ := v["name"].(string)
		number, _ := v["version"].(string)
		if packages[name] == nil {
			packages[name] = map[string]version{}
		}
		packages[name][number] = v
	}
	mux.Handle("GET /npm/-/", http.StripPrefix("/npm/-/", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("GET /npm/", func(w http.ResponseWriter, req *http.Request) {
		name := strings.TrimPrefix(req.URL.Path, "/npm/") // %2f is decoded already
		versions := packages[name]
		if versions == nil {
			http.Error(w, `{"error":"Not found"}`, http.StatusNotFound)
			return
		}
		document := struct {
			Name     string             `json:"name"`
			DistTags map[string]string  `json:"dist-tags"`
			Versions map[string]version `json:"versions"`
		}{name, map[string]string{}, map[string]version{}}
		for number, v := range versions {
			dist := map[string]any{"tarball": "http://" + req.Host + "/npm/-/" + v["file"].(string), "integrity": v["integrity"], "shasum": v["shasum"]}
			shown := version{"dist": dist}
			for key, value := range v {
				if key != "file" && key != "integrity" && key != "shasum" {
					shown[key] = value
				}
			}
			document.Versions[number] = shown
			document.DistTags["latest"] = number // of one version, as a release has it
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document)
	})
	return nil
}

func readTarball(path string) (version, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := readManifest(path)
	if err != nil {
		return nil, err
	}
	old, sum := sha1.Sum(data), sha512.Sum512(data)
	v["file"] = filepath.Base(path)
	v["shasum"] = fmt.Sprintf("%x", old)
	v["integrity"] = "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
	return v, nil
}

func readManifest(path string) (version, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(z); ; {
		header, err := t.Next()
		if err == io.EOF {
			return nil, errors.New("no package.json")
		}
		if err != nil {
			return nil, err
		}
		if header.Name != "package/package.json" {
			continue
		}
		var v version
		return v, json.NewDecoder(io.LimitReader(t, maxManifest)).Decode(&v)
	}
}

// serveWheels serves a page of links for each project.
// https://packaging.python.org/en/latest/specifications/simple-repository-api/
func serveWheels(mux *http.ServeMux, dir string) error {
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return err
	}
	pages := map[string]string{}
	for _, path := range wheels {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file := filepath.Base(path)
		project, _, _ := strings.Cut(file, "-")
		pages[project] += fmt.Sprintf("<a href=\"/wheels/%s#sha256=%x\">%[1]s</a><br>\n", html.EscapeString(file), sha256.Sum256(data))
	}
	mux.Handle("GET /wheels/", http.StripPrefix("/wheels/", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("GET /simple/{project}/", func(w http.ResponseWriter, req *http.Request) {
		page, ok := pages[req.PathValue("project")]
		if !ok {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!DOCTYPE html>\n<html><body>\n%s</body></html>\n", page)
	})
	return nil
}

// Environment is the environment of a user whose npm, npx, pip and uvx know no
// registry but the one at url, and who has none of their caches and settings:
// all of that is in home.
func Environment(home, url string) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(strings.ToLower(variable), "=")
		return strings.HasPrefix(name, "npm_") || strings.HasPrefix(name, "pip_") || strings.HasPrefix(name, "uv_") || strings.HasPrefix(name, "xdg_")
	})
	return append(env, "HOME="+home, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
		"NPM_CONFIG_REGISTRY="+url+"/npm/", "NPM_CONFIG_CACHE="+filepath.Join(home, "npm"), "NPM_CONFIG_UPDATE_NOTIFIER=false", "NPM_CONFIG_AUDIT=false", "NPM_CONFIG_FUND=false",
		"PIP_INDEX_URL="+url+"/simple/", "PIP_CONFIG_FILE="+os.DevNull, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_CACHE_DIR="+filepath.Join(home, "pip"),
		"UV_DEFAULT_INDEX="+url+"/simple/", "UV_CACHE_DIR="+filepath.Join(home, "uv"), "UV_PYTHON_DOWNLOADS=never", "UV_NO_CONFIG=1")
}
