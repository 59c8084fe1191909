// SPDX-License-Identifier: Apache-2.0

// Command linkcheck asks for every page on the web that the Markdown files of
// this repository link to, and tells which are gone. Links between files are
// the business of a test in the root, which needs no network.
package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := ".."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	links, err := collect(dir)
	if err == nil {
		err = newChecker().all(ctx, links, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "linkcheck:", err)
		os.Exit(1)
	}
}

var link = regexp.MustCompile(`\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>`)

// collect returns the links of the Markdown files below dir, with the files
// that have them.
func collect(dir string) (map[string][]string, error) {
	links := map[string][]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && (base == "testdata" || base == "node_modules" || base != ".." && base != "." && base != ".github" && strings.HasPrefix(base, ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".md") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(found[1]+found[2], "#")
			if !madeUp(target) && !slices.Contains(links[target], name) {
				links[target] = append(links[target], name)
			}
		}
		return nil
	})
	return links, err
}

// madeUp tells whether an address is for examples only: RFC 2606, loopback.
func madeUp(link string) bool {
	u, err := url.Parse(link)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || strings.HasPrefix(host, "127.") ||
		slices.ContainsFunc([]string{"example", "example.com", "example.org", "example.net", "test", "invalid"}, func(name string) bool {
			return host == name || strings.HasSuffix(host, "."+name)
		})
}

// A checker asks several hosts at a time, each for one page after the other.
type checker struct {
	client *http.Client
	hosts  int           // at a time
	pause  time.Duration // between the tries of one page
}

const tries = 3

func newChecker() *checker {
	return &checker{client: &http.Client{Timeout: 30 * time.Second}, hosts: 8, pause: 5 * time.Second}
}

// all prints a line for each link that leads nowhere, and for each that could
// not be judged; only the former make it fail.
func (c *checker) all(ctx context.Context, links map[string][]string, out io.Writer) error {
	byHost := map[string][]string{}
	for link := range links {
		host := link
		if u, err := url.Parse(link); err == nil {
			host = u.Host
		}
		byHost[host] = append(byHost[host], link)
	}
	var (
		work    sync.WaitGroup
		printer sync.Mutex
		dead    int
	)
	turns := make(chan struct{}, c.hosts)
	for _, pages := range byHost {
		work.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			for _, page := range pages {
				verdict, gone := c.check(ctx, page)
				if verdict == "" {
					continue
				}
				printer.Lock()
				fmt.Fprintf(out, "%s: %s (%s)\n", page, verdict, strings.Join(links[page], ", "))
				if gone {
					dead++
				}
				printer.Unlock()
			}
		})
	}
	work.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d links, %d lead nowhere\n", len(links), dead)
	if dead > 0 {
		return fmt.Errorf("%d links lead nowhere", dead)
	}
	return nil
}

// check says what is wrong with a link, and whether it leads nowhere. Sites that
// do not let programs in, or are busy, are not judged.
func (c *checker) check(ctx context.Context, page string) (verdict string, gone bool) {
	for try := range tries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return "", false
			case <-time.After(c.pause):
			}
		}
		status, err := c.get(ctx, page)
		switch {
		case err != nil:
			verdict, gone = err.Error(), true
		case status < 400:
			return "", false
		case status == http.StatusNotFound, status == http.StatusGone:
			return http.StatusText(status), true
		default:
			verdict, gone = fmt.Sprintf("status %d, which says nothing", status), false
		}
	}
	return verdict, gone
}

func (c *checker) get(ctx context.Context, page string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "linkcheck (+https://github.com/atrawog/mcp-oauth-gateway)")
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
