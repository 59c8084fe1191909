// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// somePages writes a data directory with pages of the test's own.
func somePages(t *testing.T, count int) (data string) {
	t.Helper()
	data = t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "aeb"), 0o700); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	truth := map[string]articleTruth{}
	for i := range count {
		id, body := fmt.Sprintf("page%d", i), strings.Repeat("A bridge carries loads, whatever the weather may be. ", 20*(i+1))
		var page bytes.Buffer
		compressed := gzip.NewWriter(&page)
		fmt.Fprintf(compressed, "<html><head><title>Bridges</title></head><body><article><h1>Bridges</h1><p>%s</p></article></body></html>", body)
		if err := compressed.Close(); err != nil {
			t.Fatal(err)
		}
		if err := files.WriteHeader(&tar.Header{Name: "html/" + id + ".html.gz", Mode: 0o600, Size: int64(page.Len())}); err != nil {
			t.Fatal(err)
		}
		if _, err := page.WriteTo(files); err != nil {
			t.Fatal(err)
		}
		truth[id] = articleTruth{URL: "https://example.com/" + id, ArticleBody: body}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(truth)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"html.tar": archive.Bytes(), "ground-truth.json": text} {
		if err := os.WriteFile(filepath.Join(data, "aeb", name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// TestFetchSmoke converts and fetches a few pages, on what needs only Go.
func TestFetchSmoke(t *testing.T) {
	binary, err := buildCommand(t.Context(), t.TempDir(), fetchserverName, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"-fetch", "-rounds", "1", "-calls", "4", "-data", somePages(t, 3), "-fetchserver", binary, "-systems", fetchserverName, "-json"}
	if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr.String())
	}
	decoder := json.NewDecoder(&stdout)
	for _, loads := range [][]load{readerLoads, fetchLoads} {
		var res results
		if err := decoder.Decode(&res); err != nil {
			t.Fatal(err)
		}
		for _, l := range loads {
			got := res.Systems[0].Rounds[0].Loads[l.Key]
			if got.Rate <= 0 || got.Errors != 0 || got.P50Micros <= 0 {
				t.Errorf("%s: %+v", l.Title, got)
			}
			if reads := l.Key == loadPages; reads && got.Allocated <= 0 {
				t.Errorf("%s: allocated %v", l.Title, got.Allocated)
			}
		}
	}
}

func TestFetchNeedsPages(t *testing.T) {
	t.Setenv("MCP_TEST_DATA", "")
	for _, args := range [][]string{{"-fetch"}, {"-fetch", "-data", t.TempDir()}} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, nil, io.Discard, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "article-extraction-benchmark") {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
	}
}

// TestSample: the pages nearest to the size, and of those the one with the most
// to say.
func TestSample(t *testing.T) {
	set := &pageSet{}
	for i := range 2 * sampleSize {
		set.pages = append(set.pages, pageFile{Size: 1000 * i, Text: 100 - i})
	}
	set.pages[5] = pageFile{Size: sampleBytes + 10, Text: 7}
	sample := set.sample()
	if len(sample) != sampleSize || sample[0] != 5 || sample[1] != 23 || sample[sampleSize-1] != 13 {
		t.Errorf("sample %v", sample)
	}
	if got := set.wordy(); got != 13 {
		t.Errorf("the page with the longest article: %d", got)
	}
}
