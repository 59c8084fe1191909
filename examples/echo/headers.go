// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// addHeaders adds what shows the request.
func (s *server) addHeaders() {
	add(s, "printHeader", "Print all HTTP headers from the current request, but for what is secret in them", noArguments, printHeader)
	add(s, "requestTiming", "Show when the current request arrived and how long it has taken so far", noArguments, requestTiming)
	add(s, "corsAnalysis", "Analyze what a web page needs of CORS to make the current request", noArguments, corsAnalysis)
}

const onStdio = "There is no HTTP request: this server is on stdio."

// fields are those of the request, Host among them, without our own.
func (c call) fields() http.Header {
	header := maps.Clone(c.header())
	if header == nil {
		return nil
	}
	header["Host"] = header[hostField]
	delete(header, hostField)
	delete(header, receivedField)
	return header
}

func printHeader(_ context.Context, c call, _ none) (string, error) {
	p := newPage("HTTP Headers")
	fields := c.fields()
	if fields == nil {
		p.note(onStdio)
		return p.String(), nil
	}
	sections := []string{"Forwarded Headers", "Authentication Headers", "Request Headers"}
	names := make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		section := sections[2]
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(lower, "x-forwarded-"), lower == "forwarded", lower == "x-real-ip", lower == "via":
			section = sections[0]
		case lower == "x-user-id", lower == "x-user-name", secretName(name):
			section = sections[1]
		}
		names[section] = append(names[section], name)
	}
	for _, section := range sections {
		if names[section] == nil {
			continue
		}
		p.section(section)
		for _, name := range names[section] {
			for _, value := range fields[name] {
				p.line(shown(name), "%s", headerValue(name, value))
			}
		}
	}
	return p.String(), nil
}

// headerValue is what is shown of a field: of a secret, what kind it is.
func headerValue(name, value string) string {
	switch {
	case strings.EqualFold(name, "Mcp-Session-Id"):
		return shown(value[:min(8, len(value))]) + "..."
	case !secretName(name) && !knownSecret(value):
		return shown(value)
	}
	if scheme, rest, ok := strings.Cut(value, " "); ok && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Basic")) {
		return fmt.Sprintf("%s %s (%d characters)", shown(scheme), hidden, len(rest))
	}
	return fmt.Sprintf("%s (%d characters)", hidden, len(value))
}

func requestTiming(_ context.Context, c call, _ none) (string, error) {
	p := newPage("Request Timing Analysis")
	received, ok := c.received()
	if !ok {
		p.note(onStdio)
		return p.String(), nil
	}
	now := time.Now()
	elapsed := now.Sub(received)
	p.section("Timing")
	p.line("Request received", "%s", instant(received))
	p.line("Current time", "%s", instant(now))
	p.line("Elapsed", "%.2fms", float64(elapsed.Microseconds())/1000)
	if session := c.session(); session != nil {
		c.server.mu.Lock()
		created := session.created
		c.server.mu.Unlock()
		p.line("Session Age", "%.2fs", now.Sub(created).Seconds())
	}
	p.section("Performance Indicators")
	switch {
	case elapsed < 10*time.Millisecond:
		p.note("Excellent (<10ms)")
	case elapsed < 50*time.Millisecond:
		p.note("Good (<50ms)")
	case elapsed < 100*time.Millisecond:
		p.note("Acceptable (<100ms)")
	default:
		p.note("Slow (>100ms)")
	}
	return p.String(), nil
}

// simple are request headers that need no permission (Fetch standard,
// CORS-safelisted), or that a browser sets itself.
var simple = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Connection", "Content-Language", "Content-Length", "Cookie", "Dnt",
	"Forwarded", "Host", "Origin", "Referer", "Te", "User-Agent", "Via",
}

func corsAnalysis(_ context.Context, c call, _ none) (string, error) {
	p := newPage("CORS Configuration Analysis")
	fields := c.fields()
	if fields == nil {
		p.note(onStdio)
		return p.String(), nil
	}
	p.section("Request Headers")
	origin := fields.Get("Origin")
	if origin == "" {
		p.line("Origin", "Not present (not from a web page, or from one of this host)")
	} else {
		p.line("Origin", "%s", shown(origin))
	}
	for _, name := range []string{"Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
		if value := fields.Get(name); value != "" {
			p.line(name, "%s", shown(value))
		}
	}
	var ask []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(simple, name) && !strings.HasPrefix(name, "Sec-") && !strings.HasPrefix(name, "X-") {
			ask = append(ask, shown(name))
		}
	}
	p.section("What a web page needs for this request")
	p.line("Access-Control-Allow-Origin", "its origin, or *")
	p.line("Access-Control-Allow-Headers", "%s", strings.Join(ask, ", "))
	p.line("Access-Control-Expose-Headers", "Mcp-Session-Id, WWW-Authenticate")
	p.section("Who answers")
	if origin != "" && slices.Contains(c.server.o.origins, strings.ToLower(origin)) {
		p.note("This server, since -allow-origin names the origin. A proxy in front must not add the same fields again.")
	} else {
		p.note("Not this server: it sets no CORS fields for this request. The proxy in front does, or nobody.")
	}
	return p.String(), nil
}
