// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Robots is one expectation about a robots.txt file.
type Robots struct {
	Set, File, URL, Agent string
	Allowed               bool
}

// ReadRobots reads the 400 expectations of google/robotstxt-spec-test
// (github.com/google/robotstxt-spec-test, Apache-2.0): a tar archive of its
// files *.textproto.
func ReadRobots(dir string) ([]Robots, error) {
	var vectors []Robots
	for name, file := range files(filepath.Join(dir, "robots", "google-robotstxt-spec-test.tar"), ".textproto") {
		if file.err != nil {
			return nil, file.err
		}
		v, err := parseRobots(string(file.text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for i := range v {
			v[i].Set = name
		}
		vectors = append(vectors, v...)
	}
	return vectors, nil
}

var protoToken = regexp.MustCompile(`(?m)^\s*#.*$|"(?:[^"\\]|\\.)*"|[A-Za-z_]+:?`)

// parseRobots reads the part of the text protocol buffer format that the
// vectors use: a field name, then adjacent strings or an enum value.
func parseRobots(text string) ([]Robots, error) {
	var vectors []Robots
	field, values := "", map[string]string{}
	for _, token := range protoToken.FindAllString(text, -1) {
		token = strings.TrimSpace(token)
		switch {
		case strings.HasPrefix(token, "#"):
		case strings.HasPrefix(token, `"`):
			s, err := strconv.Unquote(token)
			if err != nil {
				return nil, fmt.Errorf("string %s: %w", token, err)
			}
			values[field] += s
		case strings.HasSuffix(token, ":"):
			field = token
			values[field] = ""
		case field == "expected_outcome:":
			vectors = append(vectors, Robots{File: values["robotstxt:"], URL: values["testurl:"], Agent: values["useragent:"], Allowed: token == "ALLOWED"})
			field = ""
		}
	}
	return vectors, nil
}

// Path cuts the path and query out of the URL without touching its escapes.
func (r *Robots) Path() string {
	rawURL, _, _ := strings.Cut(r.URL, "#")
	if _, rest, ok := strings.Cut(rawURL, "://"); ok {
		rawURL = rest
	}
	if i := strings.IndexAny(rawURL, "/?;"); i >= 0 {
		return rawURL[i:]
	}
	return ""
}

// Addresses are IP addresses that a fetcher must refuse, each after the name
// of its block, and public neighbours of them that it must not.
type Addresses struct {
	Block [][2]string
	Allow []string
}

// ReadAddresses reads addresses/special-purpose.json: the edges of the blocks
// of the IANA special-purpose registries, cloud metadata addresses, and the
// IPv6 forms that carry an IPv4 address.
func ReadAddresses(dir string) (*Addresses, error) {
	text, err := os.ReadFile(filepath.Join(dir, "addresses", "special-purpose.json"))
	if err != nil {
		return nil, err
	}
	var a Addresses
	return &a, json.Unmarshal(text, &a)
}
