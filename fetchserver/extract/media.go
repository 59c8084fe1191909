// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strconv"
	"strings"

	"golang.org/x/net/html/atom"
)

// imageSource returns the target of an image, from the attributes that pages
// use when they load it later, or "" if it is no image to speak of.
func (w *writer) imageSource(n *node) string {
	if isPixel(n.attr("width")) || isPixel(n.attr("height")) {
		return ""
	}
	if src := w.sourceOf(n); src != "" {
		return src
	}
	if n.parent == nil {
		return ""
	}
	if n.parent.atom == atom.Picture {
		for c, i := n.parent.first, 0; c != nil && i < 16; c, i = c.next, i+1 {
			if c.atom == atom.Source {
				if src := w.sourceOf(c); src != "" {
					return src
				}
			}
		}
	}
	// A placeholder may come with the image for readers without scripts.
	for c := n.next; c != nil; c = c.next {
		if c.atom == atom.Noscript {
			if img := c.descendant(func(d *node) bool { return d.atom == atom.Img }); img != nil {
				return w.sourceOf(img)
			}
		}
		if !c.isText() {
			break
		}
	}
	return ""
}

// sourceOf returns the best target that the attributes of an image or of a
// source element name.
func (w *writer) sourceOf(n *node) string {
	for _, candidate := range [...]string{
		n.attr("data-src"), n.attr("data-original"), n.attr("data-lazy-src"), n.attr("src"), largest(n.attr("data-srcset")), largest(n.attr("srcset")),
	} {
		if candidate == "" {
			continue
		}
		if src, ok := w.resolveWeb(candidate); ok {
			return src
		}
	}
	return ""
}

// resolveWeb resolves an address that must be one of the web.
func (w *writer) resolveWeb(ref string) (string, bool) {
	if s := schemeOf(trimLeftSpace(ref)); s != "" && s != "http" && s != "https" {
		return "", false
	}
	return w.resolve(ref)
}

func isPixel(size string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(size), "px"))
	return err == nil && n <= 1
}

// largest returns the last candidate of a srcset, which lists them in
// ascending order by custom.
func largest(srcset string) string {
	srcset = strings.TrimSpace(srcset)
	if len(srcset) > 2*maxLink {
		srcset = srcset[:2*maxLink]
		srcset = srcset[:max(strings.LastIndexByte(srcset, ','), 0)]
	}
	if i := strings.LastIndex(srcset, ", "); i >= 0 {
		srcset = srcset[i+2:]
	}
	target, _, _ := strings.Cut(strings.TrimSpace(srcset), " ")
	return target
}

// media adds a link, whose text is a sign, to what a video, an audio or a frame plays. Frames are
// mostly advertisements and counters: only those with a title, or by their
// address a player, a map or the like, are of interest.
func (in *inliner) media(n *node) {
	ref := n.attr("src")
	if ref == "" {
		ref = n.attr("data-src")
	}
	for c := n.first; c != nil && ref == ""; c = c.next {
		ref = c.attr("src")
	}
	target, ok := in.w.resolveWeb(ref)
	if ref == "" || !ok || isPixel(n.attr("width")) || isPixel(n.attr("height")) || n.hidden {
		return
	}
	title := n.attr("title")
	if title == "" {
		title = n.attr("aria-label")
	}
	if n.atom == atom.Iframe && title == "" && !isPlayer(target) {
		return
	}
	for _, l := range in.levels {
		if l.link != nil {
			return // is in a link already
		}
	}
	in.separate()
	in.raw(string(append(in.appendTitle([]byte("[▶]("+target), title, ""), ')')))
	in.separate()
}

// isPlayer reports whether the address of a frame is one of content.
func isPlayer(target string) bool {
	for _, word := range []string{"/embed", "player.", "/player", "/video", "youtube", "vimeo", "/maps", "codepen.io", "gist"} {
		if strings.Contains(target, word) {
			return true
		}
	}
	return false
}
