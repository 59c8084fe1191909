// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Keys of fetchLoads.
const (
	loadCachedOne  = "cached-one"
	loadCachedMany = "cached-many"
	loadFreshOne   = "fresh-one"
	loadFreshMany  = "fresh-many"
	loadGet        = "get"
)

// pagePatience is for a server that takes a second for each of 32 pages.
const pagePatience = 3 * time.Minute

var fetchLoads = []load{
	{Key: loadCachedOne, Title: "kept page, 1 at a time", Sessions: 1, Depth: 1, Patience: pagePatience},
	{Key: loadCachedMany, Title: "kept page, 32 at a time", Sessions: 1, Depth: manySessions, Patience: pagePatience},
	{Key: loadFreshOne, Title: "new page, 1 at a time", Sessions: 1, Depth: 1, Patience: pagePatience},
	{Key: loadFreshMany, Title: "new page, 32 at a time", Sessions: 1, Depth: manySessions, Patience: pagePatience},
	{Key: loadGet, Title: "a process that fetches one page", Sessions: 1, Depth: 1, Most: runsOfCommand, Patience: pagePatience},
}

// A fetcher is an MCP server with the tool fetch, and a command that uses it for
// one page. Both fetch from an origin on loopback.
type fetcher struct {
	key, label string
	absent     string
	noCache    bool // of pages: each call is one for a new page
	env        []string
	home       string
	origin     []string // the command of the origin; its address follows
	serve      func(address, origin string) []string
	run        func(url, origin string) []string
}

func (f *fetcher) name() string      { return f.key }
func (f *fetcher) title() string     { return f.label }
func (f *fetcher) missing() string   { return f.absent }
func (f *fetcher) skips(l load) bool { return f.noCache && strings.HasPrefix(l.Key, "cached-") }

func (f *fetcher) start(ctx context.Context) (_ server, err error) {
	originAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	origin, err := startProcess(append(f.origin, originAddress), nil, false)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			origin.stop()
		}
	}()
	if err := origin.waitListening(ctx, originAddress); err != nil {
		return nil, fmt.Errorf("the origin: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	started, err := startHTTPServer(ctx, f.serve(address, originAddress), f.env, address, openHTTPSession)
	if err != nil {
		return nil, err
	}
	return &fetcherServer{httpServer: started, origin: origin, originAddress: originAddress, fetcher: f}, nil
}

type fetcherServer struct {
	*httpServer
	*fetcher
	origin        *process
	originAddress string
}

// pids are those of the server and of all that it has started.
func (s *fetcherServer) pids() []int {
	pids := s.httpServer.pids()
	for _, d := range descendants(s.httpServer.pid()) {
		pids = append(pids, d.pid)
	}
	return pids
}

func (s *fetcherServer) stop() (left int) { return s.httpServer.stop() + s.origin.stop() }

func (s *fetcherServer) open(ctx context.Context) (session, error) {
	opened, err := s.httpServer.open(ctx)
	if err != nil {
		return nil, err
	}
	f := &fetchSession{httpSession: opened.(*httpSession), server: s}
	lanes, err := f.lanes(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer closeLanes(lanes)
	// The start is over when a page has been fetched.
	once := &plan{load: loadCachedOne, firstID: 1, limit: 1, deadline: time.Now().Add(startTimeout), patience: pagePatience}
	return f, lanes[0].drive(ctx, once).err
}

type fetchSession struct {
	*httpSession
	server *fetcherServer
}

func (s *fetchSession) lanes(ctx context.Context, depth int) ([]lane, error) {
	return dialLanes(ctx, depth, func(ctx context.Context) (*fetchLane, error) {
		l, err := s.dial(ctx)
		if err != nil {
			return nil, err
		}
		return &fetchLane{httpLane: l, server: s.server}, nil
	})
}

// A fetchLane calls the tool, or runs commands that fetch a page.
type fetchLane struct {
	*httpLane
	server *fetcherServer
	url    []byte
}

func (l *fetchLane) drive(ctx context.Context, p *plan) (t tally) {
	if p.load == loadGet {
		return l.runAll(ctx, p)
	}
	return l.repeat(ctx, p, func(id int64) error { return l.call(p.load, id) }, l.check)
}

// pageURL is another one for each call, unless the page may be kept.
func (l *fetchLane) pageURL(dst []byte, load string, id int64) []byte {
	dst = append(append(dst, "http://"...), l.server.originAddress...)
	if strings.HasPrefix(load, "cached-") {
		return append(dst, keptPath...)
	}
	return strconv.AppendInt(append(dst, newPath...), id, 10)
}

func (l *fetchLane) call(load string, id int64) error {
	l.url = l.pageURL(l.url[:0], load, id)
	l.frame = append(l.frame[:0], `{"jsonrpc":"2.0","id":`...)
	l.frame = strconv.AppendInt(l.frame, id, 10)
	l.frame = append(l.frame, `,"method":"tools/call","params":{"name":"fetch","arguments":{"url":"`...)
	l.frame = append(append(l.frame, l.url...), `"}}}`...)
	return l.post(l.frame)
}

// leastText is less than the first slice of any page of the sample.
const leastText = 500

// check wants the page of this very call, and much of it.
func (l *fetchLane) check(id int64) error {
	frame, err := l.reply.message(id)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Contains(frame, []byte(`"result":{`)) || bytes.Contains(frame, []byte(`"isError":true`)):
		return fmt.Errorf("the page was not fetched: %.300s", frame)
	case !bytes.Contains(frame, l.url) || len(frame) < leastText:
		return fmt.Errorf("not the page %s: %.300s", l.url, frame)
	}
	return nil
}

// runAll runs one command after the other.
func (l *fetchLane) runAll(ctx context.Context, p *plan) (t tally) {
	runner := &commandLine{home: l.server.home}
	for {
		id, ok := p.next(time.Now())
		if !ok || ctx.Err() != nil {
			return t
		}
		url := string(l.pageURL(nil, p.load, id))
		runner.run(ctx, append([]string{"env"}, append(l.server.env, l.server.run(url, l.server.originAddress)...)...), url, &t)
	}
}

// roleOrigin is a web site. The next arguments are the file of its page and its
// address.
const roleOrigin = "origin"

// Paths of the page: that may be kept, and that is another for each number.
const (
	keptPath = "/kept"
	newPath  = "/new/"
)

func serveOrigin(stdin io.Reader, file, address string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if len(page) == 0 {
		return errors.New(file + " is empty")
	}
	return serveHTTP(stdin, address, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch {
		case r.URL.Path == keptPath:
			w.Header().Set("Cache-Control", "max-age=3600")
		case strings.HasPrefix(r.URL.Path, newPath):
			w.Header().Set("Cache-Control", "no-store")
		default: // such as robots.txt
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(page) // who asked may have gone
	})
}

// portOf is the port of an address.
func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}
