// SPDX-License-Identifier: Apache-2.0

// Command cmd prints the quality of fetchserver on the data sets in a
// directory. See package quality.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	set := flag.String("set", "", "measure only this `set`: aeb, wcxb, ...")
	page := flag.String("diff", "", "show what is missing and what is too much on the `page` of the set whose id begins so, or on all")
	all := flag.Bool("pages", false, "print a line for each page: F1, precision, recall, type, id, URL")
	worst := flag.Int("worst", 20, "name the `n` worst pages")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/quality/cmd [flags] DIR\nDIR has the data sets; see internal/quality/dataset for its layout.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *page != "" && *set == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(ctx, flag.Arg(0), *set, *page, *all, *worst); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, set, page string, all bool, worst int) error {
	known := false
	for _, s := range quality.Sets {
		if set != "" && s.Name() != set {
			continue
		}
		known = true
		if page == "" && !all {
			if err := quality.Print(ctx, os.Stdout, s, dir, &quality.Options{}, worst); err != nil {
				return err
			}
			continue
		}
		o := quality.Options{Page: page}
		if page == "all" {
			o.Page = ""
		}
		r, err := s.Run(ctx, dir, &o)
		if err != nil {
			return err
		}
		for _, p := range r.Pages {
			if page != "" {
				p.Diff(os.Stdout)
			} else {
				fmt.Printf("%.4f\t%.4f\t%.4f\t%s\t%s\t%s\n", p.F1, p.Precision, p.Recall, p.Type, p.ID, p.URL)
			}
		}
	}
	if !known {
		return fmt.Errorf("no set %q", set)
	}
	return nil
}
