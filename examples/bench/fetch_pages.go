// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The pages of the Article Extraction Benchmark, which are not ours to keep in
// the repository.
const (
	maxPageBytes = 32 << 20
	maxPages     = 10_000
)

// A pageSet is a directory of pages with an index.
type pageSet struct {
	dir   string
	pages []pageFile
}

// A pageFile is one entry of index.json.
type pageFile struct {
	File string `json:"file"`
	URL  string `json:"url"`
	Size int    `json:"size"`
	Text int    `json:"text"` // length of the article that is known to be in it
}

const pageIndex = "index.json"

// unpackPages writes the pages of a data directory to dir, for programs in all
// languages to read, unless they are there.
func unpackPages(data, dir string) (*pageSet, error) {
	if set, err := readPages(dir); err == nil {
		return set, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	truth, err := os.ReadFile(filepath.Join(data, "aeb", "ground-truth.json"))
	if err != nil {
		return nil, err
	}
	var about map[string]articleTruth
	if err := json.Unmarshal(truth, &about); err != nil {
		return nil, fmt.Errorf("aeb/ground-truth.json: %w", err)
	}
	archive, err := os.Open(filepath.Join(data, "aeb", "html.tar"))
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	set := &pageSet{dir: dir}
	for files := tar.NewReader(archive); ; {
		entry, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("aeb/html.tar: %w", err)
		}
		id, ok := strings.CutSuffix(path.Base(entry.Name), ".html.gz")
		if !ok {
			continue
		}
		if len(set.pages) == maxPages {
			return nil, fmt.Errorf("aeb/html.tar: more than %d pages", maxPages)
		}
		if err := set.add(files, about[id]); err != nil {
			return nil, fmt.Errorf("aeb/html.tar: %s: %w", entry.Name, err)
		}
	}
	if len(set.pages) == 0 {
		return nil, errors.New("aeb/html.tar: no *.html.gz in it")
	}
	index, err := json.Marshal(set.pages)
	if err != nil {
		return nil, err
	}
	return set, os.WriteFile(filepath.Join(dir, pageIndex), index, 0o600)
}

// articleTruth is an entry of ground-truth.json.
type articleTruth struct{ URL, ArticleBody string }

func (s *pageSet) add(compressed io.Reader, truth articleTruth) error {
	decoded, err := gzip.NewReader(compressed)
	if err != nil {
		return err
	}
	html, err := io.ReadAll(io.LimitReader(decoded, maxPageBytes))
	if err != nil {
		return err
	}
	page := pageFile{File: fmt.Sprintf("%04d.html", len(s.pages)), URL: cmp.Or(truth.URL, "https://example.com/"), Size: len(html), Text: len(truth.ArticleBody)}
	s.pages = append(s.pages, page)
	return os.WriteFile(filepath.Join(s.dir, page.File), html, 0o600)
}

func readPages(dir string) (*pageSet, error) {
	index, err := os.ReadFile(filepath.Join(dir, pageIndex))
	if err != nil {
		return nil, err
	}
	set := &pageSet{dir: dir}
	return set, json.Unmarshal(index, &set.pages)
}

func (s *pageSet) path(page int) string { return filepath.Join(s.dir, s.pages[page].File) }

// The sample are pages of about the size for which mcp-server-fetch is known to
// take more than a second.
const (
	sampleSize  = 12
	sampleBytes = 90_000
)

// sample returns numbers of pages, the one closest to the size first.
func (s *pageSet) sample() []int {
	off := func(page int) int { return max(s.pages[page].Size-sampleBytes, sampleBytes-s.pages[page].Size) }
	all := make([]int, len(s.pages))
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(off(a), off(b)) })
	return all[:min(sampleSize, len(all))]
}

// wordy is the page of the sample with the longest article.
func (s *pageSet) wordy() int {
	return slices.MaxFunc(s.sample(), func(a, b int) int { return cmp.Compare(s.pages[a].Text, s.pages[b].Text) })
}
