// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

// With -fetch the program compares what turns web pages into Markdown: first the
// conversion alone, then servers and commands that fetch a page.
const (
	fetchserverName    = "fetchserver"
	jsdomName          = "jsdom"
	linkedomName       = "linkedom"
	pythonFetchName    = "mcp-server-fetch"
	pythonAndNodeName  = "mcp-server-fetch-node"
	pythonFetchVersion = "2026.10.24"
)

func readerNames() []string {
	return []string{fetchserverName, jsdomName, linkedomName, pythonFetchName, pythonAndNodeName}
}

func fetchNames() []string { return []string{fetchserverName, pythonFetchName} }

// fetchPeers is what the peers need.
type fetchPeers struct {
	npm    bundle.Bundle
	python bundle.Bundle
	node   string // path of Node.js; "": absent
}

// findFetchPeers looks for the peers, which the workspace pins.
func findFetchPeers() (fetchPeers, error) {
	root, err := workspaceRoot()
	if err != nil {
		return fetchPeers{}, err
	}
	examples := filepath.Join(root, "examples")
	p := fetchPeers{
		npm: bundle.NPM("jsdom, linkedom, Readability and turndown", filepath.Join(examples, "bench", "testdata", "readers")),
		// The same environment as that of examples/interop.
		python: bundle.Python("mcp-server-fetch", filepath.Join(examples, "interop", "testdata", "requirements.txt"), "interop"),
	}
	p.node, _ = exec.LookPath("node") // "": it is absent
	return p, nil
}

func (p fetchPeers) install(ctx context.Context, progress io.Writer) error {
	if err := bundle.Install(ctx, progress, p.npm, p.python); err != nil {
		return err
	}
	if p.node == "" {
		return nil
	}
	// With Node.js in its path, mcp-server-fetch has npm install a package at the
	// first page.
	return runTool(ctx, nil, p.python.Program("python"), "-c",
		"from mcp_server_fetch.server import extract_content_from_html as f; f('<p>first</p>')")
}

// prepareReaders returns what converts pages, with the pages written to scratch.
func prepareReaders(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error) {
	wanted := func(name string) bool { return opts.systems == nil || slices.Contains(opts.systems, name) }
	if !slices.ContainsFunc(readerNames(), wanted) {
		return nil, nil
	}
	peers, err := findFetchPeers()
	if err != nil {
		return nil, err
	}
	if opts.install {
		if err := peers.install(ctx, progress); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(scratch, "pages")
	pages, err := unpackPages(opts.data, dir)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	script := func(name string) string { return filepath.Join(filepath.Dir(peers.npm.Dir), name) }
	withoutNode := []string{"PATH=" + filepath.Dir(peers.python.Program("python"))}
	var systems []system
	for _, r := range []*reader{
		{key: fetchserverName, label: "fetchserver/extract", command: []string{self, roleConvert, dir}},
		{key: jsdomName, label: "jsdom, Readability, turndown (npm)", command: []string{"node", script("convert.mjs"), jsdomName, dir}, absent: peers.absent(peers.npm, true)},
		{key: linkedomName, label: "linkedom, Readability, turndown (npm)", command: []string{"node", script("convert.mjs"), linkedomName, dir}, absent: peers.absent(peers.npm, true)},
		{
			key: pythonFetchName, label: "mcp-server-fetch " + pythonFetchVersion + " (PyPI), without Node.js", sampleOnly: true,
			command: []string{peers.python.Program("python"), script("convert.py"), dir}, env: withoutNode, absent: peers.absent(peers.python, false),
		},
		{
			key: pythonAndNodeName, label: "mcp-server-fetch " + pythonFetchVersion + " (PyPI), with Node.js", sampleOnly: true,
			command: []string{peers.python.Program("python"), script("convert.py"), dir}, absent: peers.absent(peers.python, true),
		},
	} {
		if wanted(r.key) {
			r.pages = pages
			systems = append(systems, r)
		}
	}
	return systems, nil
}

// absent says why a peer cannot run, or nothing.
func (p fetchPeers) absent(b bundle.Bundle, needsNode bool) string {
	switch {
	case needsNode && p.node == "":
		return "no node: install Node.js 20 or newer"
	case !b.Installed():
		return absentHint
	}
	return ""
}

// prepareFetchers returns what fetches a page for a client.
func prepareFetchers(ctx context.Context, opts *options, scratch string, progress io.Writer) ([]system, error) {
	wanted := func(name string) bool { return opts.systems == nil || slices.Contains(opts.systems, name) }
	peers, err := findFetchPeers()
	if err != nil {
		return nil, err
	}
	pages, err := unpackPages(opts.data, filepath.Join(scratch, "pages"))
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	origin := []string{self, roleOrigin, pages.path(pages.wordy())}
	var systems []system
	if wanted(fetchserverName) {
		binary, err := findCommand(ctx, opts.fetchserver, scratch, fetchserverName, progress, releaseFlags...)
		if err != nil {
			return nil, err
		}
		systems = append(systems, &fetcher{
			key: fetchserverName, label: "fetchserver, " + sizeText(binary), origin: origin, home: scratch,
			serve: func(address, origin string) []string {
				return append([]string{binary, "--port", portOf(address), "--log-level", "error"}, politeToNobody(origin)...)
			},
			run: func(url, origin string) []string {
				return append(append([]string{binary, "get"}, politeToNobody(origin)...), url)
			},
		})
	}
	if wanted(pythonFetchName) {
		s := &fetcher{
			key: pythonFetchName, label: "mcp-server-fetch " + pythonFetchVersion + " (PyPI) behind shproxy", origin: origin, home: scratch, noCache: true,
			env: []string{"PATH=" + filepath.Dir(peers.python.Program("python"))}, absent: peers.absent(peers.python, false),
		}
		if s.absent == "" {
			shproxy, err := findCommand(ctx, opts.shproxy, scratch, shproxyName, progress, releaseFlags...)
			if err != nil {
				return nil, err
			}
			shclient, err := findCommand(ctx, opts.shclient, scratch, shclientName, progress, releaseFlags...)
			if err != nil {
				return nil, err
			}
			server := []string{peers.python.Program("mcp-server-fetch"), "--allow-private-ips"}
			s.serve = func(address, _ string) []string {
				return append([]string{shproxy, "--port", portOf(address), "--log-level", "error", "--"}, server...)
			}
			s.run = func(url, _ string) []string {
				return append([]string{shclient, "call", "fetch", "url=" + url, "--"}, server...)
			}
		}
		systems = append(systems, s)
	}
	return systems, nil
}

// politeToNobody lets fetchserver fetch from the origin as often as it likes: it
// is ours.
func politeToNobody(origin string) []string {
	return []string{"--allow-private", origin, "--max-per-host", "32"}
}

// errNoData says where the pages come from.
var errNoData = errors.New("-fetch needs pages: name with -data, or MCP_TEST_DATA, a directory with aeb/html.tar and aeb/ground-truth.json of " +
	"github.com/scrapinghub/article-extraction-benchmark (html/*.html.gz in a tar file)")

func dataDirectory(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv("MCP_TEST_DATA")
	}
	if flag == "" {
		return "", errNoData
	}
	if _, err := os.Stat(filepath.Join(flag, "aeb", "html.tar")); err != nil {
		return "", fmt.Errorf("%w: %w", errNoData, err)
	}
	return filepath.Abs(flag)
}
