// SPDX-License-Identifier: Apache-2.0

package era

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// specification is all that the schemas of MCP 2024-11-05 to 2026-07-28 have,
// by the section of docs/eras.md that says what becomes of it.
var specification = map[string][]string{
	"Requests of clients": {
		"initialize", "server/discover", "ping", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list",
		"resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen",
		"completion/complete", "logging/setLevel", "tasks/list", "tasks/get", "tasks/result", "tasks/cancel",
	},
	"Notifications of clients": {
		"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed",
		"notifications/tasks/status",
	},
	"Requests of servers": {
		"ping", methodElicit, methodSampling, methodRoots, "tasks/list", "tasks/get", "tasks/result", "tasks/cancel",
	},
	"Notifications of servers": {
		"notifications/cancelled", "notifications/progress", "notifications/message", "notifications/tools/list_changed",
		"notifications/prompts/list_changed", "notifications/resources/list_changed", "notifications/resources/updated",
		"notifications/subscriptions/acknowledged", "notifications/elicitation/complete", "notifications/tasks/status",
	},
	"Errors": {"-32002", "-32042", "-32020", "-32021", "-32022", "-32602", "-32603"},
}

var (
	sections     = regexp.MustCompile(`(?m)^## (.*)$`)
	row          = regexp.MustCompile(`(?m)^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$`)
	quoted       = regexp.MustCompile("`([^`]+)`")
	conversation = regexp.MustCompile(`\]\(\.\./era/testdata/([^)]*)\)`)
)

// TestDocs compares docs/eras.md with the specification and the conversations:
// each method, notification and error has a row, the conversations that a row
// names are about it, and all are named.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/eras.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for title, text := range sectionsOf(string(page)) {
		if terms, ok := specification[title]; ok {
			checkSection(t, title, text, terms, named)
		}
	}
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimPrefix(filepath.ToSlash(file), "testdata/"); !named[name] {
			t.Errorf("no row of docs/eras.md names %s", name)
		}
	}
	for method := range requests {
		if !slices.Contains(specification["Requests of clients"], method) {
			t.Errorf("%s has no row in docs/eras.md", method)
		}
	}
}

func sectionsOf(page string) map[string]string {
	all := map[string]string{}
	found := sections.FindAllStringSubmatchIndex(page, -1)
	for i, m := range found {
		end := len(page)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		all[page[m[2]:m[3]]] = page[m[1]:end]
	}
	return all
}

// checkSection checks the rows of a table, of which each is about the terms in
// its first cell, or about what there is else if there are none. It notes which
// conversations they name.
func checkSection(t *testing.T, title, text string, terms []string, named map[string]bool) {
	left := map[string]bool{}
	for _, term := range terms {
		left[term] = true
	}
	for _, cells := range row.FindAllStringSubmatch(text, -1) {
		var about []string
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			about = append(about, m[1])
			delete(left, m[1])
		}
		shown := map[string]bool{}
		for i, dir := range map[int]string{2: "", 3: "tomodern/", 4: "tolegacy/", 5: ""} {
			for _, m := range conversation.FindAllStringSubmatch(cells[i], -1) {
				if dir == "" || !strings.HasPrefix(m[1], dir) {
					t.Errorf("%s, %s: %s in column %d", title, cells[1], m[1], i)
				}
				checkConversation(t, title, cells[1], m[1], about, shown)
				named[m[1]] = true
			}
		}
		for _, term := range about {
			if !shown[term] {
				t.Errorf("%s: no conversation of its row has %s", title, term)
			}
		}
	}
	for _, term := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("%s: %s has no row", title, term)
	}
}

// checkConversation checks that a conversation has one of the terms, and notes
// which.
func checkConversation(t *testing.T, title, first, name string, about []string, shown map[string]bool) {
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Errorf("%s, %s: %v", title, first, err)
		return
	}
	found := len(about) == 0
	for _, term := range about {
		if strings.Contains(string(text), `"method":"`+term+`"`) || strings.Contains(string(text), `"code":`+term+`,`) {
			found, shown[term] = true, true
		}
	}
	if !found {
		t.Errorf("%s: %s says nothing of %s", title, name, first)
	}
}
