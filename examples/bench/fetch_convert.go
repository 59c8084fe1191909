// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/extract"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
)

// Keys of readerLoads.
const (
	loadPages  = "pages"
	loadSample = "sample"
)

// aebPages is how many pages the set has.
const aebPages = 181

var readerLoads = []load{
	{Key: loadPages, Title: "all pages", Sessions: 1, Depth: 1, Most: aebPages, Whole: true},
	{Key: loadSample, Title: fmt.Sprintf("%d pages of about %d KB", sampleSize, sampleBytes/1000), Sessions: 1, Depth: 1, Most: sampleSize, Whole: true},
}

// A reader is a program that converts pages that it has in memory, one after
// the other, and says what each took: see testdata/readers/convert.mjs.
type reader struct {
	key, label string
	absent     string
	command    []string
	env        []string
	sampleOnly bool // for what takes a second a page
	pages      *pageSet
}

func (r *reader) name() string       { return r.key }
func (r *reader) title() string      { return r.label }
func (r *reader) missing() string    { return r.absent }
func (r *reader) skips(l load) bool  { return r.sampleOnly && l.Key != loadSample }
func (r *readerProcess) pids() []int { return nil } // it says itself what it used

func (r *reader) start(context.Context) (server, error) {
	p, err := startProcess(r.command, r.env, true)
	if err != nil {
		return nil, err
	}
	started := &readerProcess{process: p, out: bufio.NewReader(p.stdout), pages: r.pages, strict: r.key == fetchserverName}
	var ready struct{ Pages int }
	if err := started.answer(&ready); err != nil {
		p.stop()
		return nil, err
	}
	if ready.Pages != len(r.pages.pages) {
		p.stop()
		return nil, fmt.Errorf("it has read %d pages, and not %d", ready.Pages, len(r.pages.pages))
	}
	return started, nil
}

// readerProcess is server, session and lane in one.
type readerProcess struct {
	*process
	out    *bufio.Reader
	pages  *pageSet
	strict bool
}

func (r *readerProcess) open(context.Context) (session, error)        { return r, nil }
func (r *readerProcess) lanes(context.Context, int) ([]lane, error)   { return []lane{r}, nil }
func (r *readerProcess) close()                                       {}
func (r *readerProcess) drive(ctx context.Context, p *plan) (t tally) { return r.convertAll(ctx, p) }

// pageTimeout bounds one conversion.
const pageTimeout = 2 * time.Minute

// A conversion is what a reader says of one page.
type conversion struct {
	Characters int    `json:"characters"`
	Error      string `json:"error,omitempty"`
	Wall       int64  `json:"wall_ns"`
	CPU        int64  `json:"cpu_ns"`
	Allocated  int64  `json:"allocated_bytes,omitempty"`
	Peak       int64  `json:"peak_bytes"`
}

// convertAll goes through the pages of the load, in each measurement from the
// first one on, so that all readers meet the same.
func (r *readerProcess) convertAll(ctx context.Context, p *plan) (t tally) {
	sample := r.pages.sample()
	for n := 0; ; n++ {
		if _, ok := p.next(time.Now()); !ok || ctx.Err() != nil {
			return t
		}
		page := n % len(r.pages.pages)
		if p.load == loadSample {
			page = sample[n%len(sample)]
		}
		if _, err := fmt.Fprintf(r.stdin, "%d\n", page); err != nil {
			t.fail(fmt.Errorf("%w; %s", err, r.output))
			return t
		}
		var c conversion
		if err := r.answer(&c); err != nil {
			t.fail(err)
			return t
		}
		t.peak = max(t.peak, c.Peak)
		t.cpu += time.Duration(c.CPU)
		t.allocated += c.Allocated
		if c.Error != "" && r.strict {
			t.fail(fmt.Errorf("page %d: %s", page, c.Error))
			continue
		} // a page that a peer fails at has cost it time as well
		t.latencies = append(t.latencies, time.Duration(c.Wall))
	}
}

func (r *readerProcess) answer(v any) error {
	if err := r.stdout.SetReadDeadline(time.Now().Add(pageTimeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return err
	}
	line, err := r.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w; %s", err, r.output)
	}
	return json.Unmarshal(line, v)
}

// roleConvert makes this program the reader of fetchserver. The next argument is
// the directory of the pages.
const roleConvert = "convert-pages"

func runConvert(dir string, stdin io.Reader, stdout io.Writer) error {
	set, err := readPages(dir)
	if err != nil {
		return err
	}
	pages := make([]*fetch.Response, len(set.pages))
	for i, p := range set.pages {
		html, err := os.ReadFile(filepath.Join(dir, p.File))
		if err != nil {
			return err
		}
		u, err := url.Parse(p.URL)
		if err != nil {
			return err
		}
		pages[i] = &fetch.Response{URL: u, Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html"}}, Body: html}
	}
	out := json.NewEncoder(stdout)
	if err := out.Encode(map[string]int{"pages": len(pages)}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		n, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil || n < 0 || n >= len(pages) {
			return fmt.Errorf("there is no page %q", lines.Text())
		}
		if err := out.Encode(convertPage(pages[n])); err != nil {
			return err
		}
	}
	return nil
}

func convertPage(page *fetch.Response) (c conversion) {
	cpuBefore, _ := selfUsage()
	allocatedBefore := allocated()
	begin := time.Now()
	html, _ := page.Text()
	doc, err := extract.HTML(context.Background(), html, &extract.Options{URL: page.URL})
	c.Wall = time.Since(begin).Nanoseconds()
	cpuAfter, peak := selfUsage()
	c.CPU, c.Peak = (cpuAfter - cpuBefore).Nanoseconds(), peak
	c.Allocated = allocated() - allocatedBefore
	if err != nil {
		c.Error = err.Error()
		return c
	}
	c.Characters = len(doc.Markdown)
	return c
}

// allocated is what this process has allocated so far, in bytes.
func allocated() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
