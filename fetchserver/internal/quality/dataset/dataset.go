// SPDX-License-Identifier: Apache-2.0

// Package dataset reads the third-party data that fetchserver is measured
// with. None of it is in the repository: each function says what it reads and
// where that comes from. The directory is laid out as
//
//	DIR/aeb/{html.tar, ground-truth.json}
//	DIR/wcxb/{html.tar, ground-truth.tar.gz}
//	DIR/commonmark/spec-tests.json
//	DIR/robots/google-robotstxt-spec-test.tar
//	DIR/addresses/special-purpose.json
package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Page is a web page of a benchmark, and what its authors say is its content.
type Page struct {
	ID, URL string
	HTML    []byte // as it was received: not always UTF-8
	Want    string // the text of the main content
	Type    string // WCXB: article, documentation, service, forum, product, collection or listing
	// WCXB: snippets that the text has to have, and must not have.
	With, Without []string
}

const maxPage = 64 << 20

// AEB reads the 181 pages of the article extraction benchmark
// (github.com/scrapinghub/article-extraction-benchmark, MIT): its
// ground-truth.json as it is, and its directory html as html.tar.
func AEB(dir string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		var truth map[string]struct{ ArticleBody, URL string }
		text, err := os.ReadFile(filepath.Join(dir, "aeb", "ground-truth.json"))
		if err == nil {
			err = json.Unmarshal(text, &truth)
		}
		if err != nil {
			yield(Page{}, err)
			return
		}
		for p, err := range archive(filepath.Join(dir, "aeb", "html.tar")) {
			if want, ok := truth[p.ID]; ok || err != nil {
				p.URL, p.Want = want.URL, want.ArticleBody
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

// WCXB reads the 1497 pages of the development split of the web content
// extraction benchmark (github.com/Murrough-Foley/web-content-extraction-benchmark,
// CC-BY-4.0): its directories dev/html as html.tar and dev/ground-truth as
// ground-truth.tar.gz.
func WCXB(dir string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		truth, err := wcxbTruth(filepath.Join(dir, "wcxb", "ground-truth.tar.gz"))
		if err != nil {
			yield(Page{}, err)
			return
		}
		for p, err := range archive(filepath.Join(dir, "wcxb", "html.tar")) {
			if want, ok := truth[p.ID]; ok || err != nil {
				want.ID, want.HTML = p.ID, p.HTML
				if !yield(want, err) {
					return
				}
			}
		}
	}
}

func wcxbTruth(name string) (map[string]Page, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	truth := map[string]Page{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return truth, nil
		}
		if err != nil {
			return nil, err
		}
		if path.Ext(h.Name) != ".json" {
			continue
		}
		var entry struct {
			URL   string
			Truth struct {
				Main          string `json:"main_content"`
				With, Without []string
			} `json:"ground_truth"`
			Internal struct {
				Type struct{ Primary string } `json:"page_type"`
			} `json:"_internal"`
		}
		if err := json.NewDecoder(r).Decode(&entry); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		p := Page{URL: entry.URL, Want: entry.Truth.Main, With: entry.Truth.With, Without: entry.Truth.Without, Type: entry.Internal.Type.Primary}
		switch p.Type { // as the benchmark's own script has it
		case "":
			p.Type = "article"
		case "category":
			p.Type = "collection"
		}
		truth[id(h.Name)] = p
	}
}

func id(name string) string {
	name, _, _ = strings.Cut(path.Base(name), ".")
	return name
}

// archive reads the files NAME.html.gz of a tar archive.
func archive(name string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for name, file := range files(name, ".gz") {
			if name == "" {
				yield(Page{}, file.err)
				return
			}
			z, err := gzip.NewReader(bytes.NewReader(file.text))
			var html []byte
			if err == nil {
				html, err = io.ReadAll(io.LimitReader(z, maxPage))
			}
			if !yield(Page{ID: id(name), HTML: html}, err) || err != nil {
				return
			}
		}
	}
}

type file struct {
	text []byte
	err  error // then the name is empty
}

// files reads the files of a tar archive that have an extension.
func files(name, ext string) iter.Seq2[string, file] {
	return func(yield func(string, file) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield("", file{err: err})
			return
		}
		defer f.Close()
		for r := tar.NewReader(f); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			var text []byte
			if err == nil && path.Ext(h.Name) == ext {
				text, err = io.ReadAll(io.LimitReader(r, maxPage))
			}
			if err != nil {
				yield("", file{err: err})
				return
			}
			if path.Ext(h.Name) == ext && !yield(h.Name, file{text: text}) {
				return
			}
		}
	}
}
