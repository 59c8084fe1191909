// SPDX-License-Identifier: Apache-2.0

// Package quality measures what fetchserver makes of pages whose content is
// known, with the methods of the benchmarks that the pages come from.
//
//	go run ./internal/quality/cmd DIR
//
// prints all of it; DIR is laid out as package dataset says.
//
// What is scored is what a user gets: the bytes of a page are decoded as
// package fetch does, converted to Markdown by package extract with its
// default options, and the Markdown is rendered by goldmark (CommonMark and
// GFM). The text of the result counts, so neither the marks of Markdown nor
// link targets nor the descriptions of images do.
package quality

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
)

// A Set measures one data set.
type Set interface {
	Name() string   // one word
	Source() string // where the data comes from, its licence, how to get it
	// Run measures against the data below dir.
	Run(ctx context.Context, dir string, o *Options) (*Report, error)
}

// Sets are all sets, in the order in which they are printed.
var Sets = []Set{aeb{}, wcxb{}, commonmark{}, robotsSet{}, addressSet{}, charsetSet{}}

// Options narrow a run. The zero value measures everything.
type Options struct {
	// Page, if set, is the beginning of the ids of the pages that are measured.
	Page string
	// Every measures only each n-th page, beginning with page Offset; below 2
	// it measures all.
	Every, Offset int
}

// Report is what a set found.
type Report struct {
	Values map[string]float64 // by name, such as "F1" or "forum F1"
	Table  [][]string         // the result beside published ones; the first row has the names of columns
	Pages  []Page             // in the order of the data
}

// Page is the result for one page.
type Page struct {
	ID, URL, Type         string
	Precision, Recall, F1 float64
	Got, Want             string // the texts that were compared

	with, without float64
	exact         bool
}

// Worst returns the n pages with the lowest F1.
func (r *Report) Worst(n int) []Page {
	pages := slices.Clone(r.Pages)
	slices.SortStableFunc(pages, func(a, b Page) int { return cmp.Compare(a.F1, b.F1) })
	return pages[:min(n, len(pages))]
}

// measure scores pages on all processors.
func measure(ctx context.Context, pages iter.Seq2[dataset.Page, error], o *Options, score func(p *dataset.Page, got string) Page) ([]Page, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type job struct {
		index int
		page  dataset.Page
	}
	jobs := make(chan job)
	var mu sync.Mutex // guards results
	results := map[int]Page{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range jobs {
				got, err := text(ctx, &j.page)
				if err != nil {
					cancel(fmt.Errorf("page %s: %w", j.page.ID, err))
					continue
				}
				p := score(&j.page, got)
				p.ID, p.URL, p.Type, p.Want = j.page.ID, j.page.URL, j.page.Type, j.page.Want
				p.Got = got
				mu.Lock()
				results[j.index] = p
				mu.Unlock()
			}
		})
	}
	index := -1
	for p, err := range pages {
		if err != nil {
			cancel(err)
		}
		if ctx.Err() != nil {
			break
		}
		index++
		if !strings.HasPrefix(p.ID, o.Page) || o.Every > 1 && index%o.Every != o.Offset {
			continue
		}
		jobs <- job{index, p}
	}
	close(jobs)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("no page %q in the data", o.Page)
	}
	var list []Page
	for i := range index + 1 {
		if p, ok := results[i]; ok {
			list = append(list, p)
		}
	}
	return list, nil
}

// mean of f over the pages that ok accepts.
func mean(pages []Page, ok func(*Page) bool, f func(*Page) float64) float64 {
	sum, n := 0., 0
	for i := range pages {
		if ok == nil || ok(&pages[i]) {
			sum += f(&pages[i])
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// Print runs a set and writes its report, with the worst pages.
func Print(ctx context.Context, out io.Writer, s Set, dir string, o *Options, worst int) error {
	fmt.Fprintf(out, "\n== %s\n%s\n\n", s.Name(), s.Source())
	r, err := s.Run(ctx, dir, o)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name(), err)
	}
	printTable(out, r.Table)
	if o.Page == "" && worst > 0 && len(r.Pages) > 0 {
		fmt.Fprintf(out, "\nworst pages:\n")
		rows := [][]string{{"F1", "precision", "recall", "type", "page", "URL"}}
		for _, p := range r.Worst(worst) {
			rows = append(rows, []string{number(p.F1), number(p.Precision), number(p.Recall), p.Type, p.ID[:min(len(p.ID), 12)], p.URL})
		}
		printTable(out, rows)
	}
	return nil
}

func number(f float64) string { return fmt.Sprintf("%.3f", f) }

func printTable(out io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range rows {
		if len(row) == 0 {
			fmt.Fprintln(out)
		}
		for i, cell := range row {
			if i == len(row)-1 {
				fmt.Fprintln(out, cell)
				break
			}
			fmt.Fprintf(out, "%-*s  ", widths[i], cell)
		}
	}
}
