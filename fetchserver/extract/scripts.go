// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

const (
	shellChars   = 200 // a page with more text than this is no shell
	loadingChars = 80  // room for "Loading, please wait"
)

// needsScripts reports whether the page is the shell of an application: it
// runs scripts, has next to no text, and either has an empty element for the
// scripts to fill or says that it needs them. Stats must be measured, of
// hidden text as well.
func (t *tree) needsScripts() bool {
	if t.head.scripts == 0 || t.body.chars > shellChars {
		return false
	}
	if t.body.chars <= loadingChars && (t.asksForScripts() || t.body.chars == 0) {
		return true
	}
	return t.body.descendant(func(n *node) bool { return n.isMountPoint() }) != nil
}

// isMountPoint reports whether n is an element without text that an
// application renders into, by the names that the frameworks give it.
func (n *node) isMountPoint() bool {
	if n.chars > 0 || n.first != nil && n.descendant(func(d *node) bool { return d.atom == atom.Img }) != nil {
		return false
	}
	switch strings.ToLower(n.attr("id")) {
	case "root", "app", "application", "app-root", "react-root", "__next", "__nuxt", "___gatsby", "svelte", "ember-root", "app-mount", "main-app":
		return true
	}
	return false
}

// asksForScripts reports whether a noscript element says that the page does
// not work without scripts.
func (t *tree) asksForScripts() bool {
	for _, n := range t.noscripts[:min(len(t.noscripts), 20)] {
		text := strings.ToLower(n.line(500))
		if strings.Contains(text, "javascript") && (strings.Contains(text, "enable") || strings.Contains(text, "need") ||
			strings.Contains(text, "require") || strings.Contains(text, "turn on")) {
			return true
		}
	}
	return false
}

// useNoscript makes the noscript elements part of the page if they hold more
// text than the rest: then they are what its author wrote for readers like
// this one. Otherwise they are notices, pixels and second copies of images.
func (t *tree) useNoscript() {
	chars := int32(0)
	for _, n := range t.noscripts {
		n.measure()
		chars += n.chars
	}
	if chars <= t.body.chars {
		return
	}
	for _, n := range t.noscripts {
		n.hidden, n.dropped = false, false
		if n.hasBlock {
			n.parent.holdsBlock()
		}
	}
	t.body.measure()
}
