// SPDX-License-Identifier: Apache-2.0

package extract

import "strings"

// isAbout reports whether a short line tells of an article instead of being
// part of it: its author, its date, how long it takes to read, how to share
// it. It knows English only.
func isAbout(line string) bool {
	s := strings.ToLower(line)
	switch s {
	case "share", "tweet", "email", "print", "comments", "advertisement", "share this", "share this article", "save", "like", "pin", "loading...",
		"read more", "more", "related", "tags", "topics", "copy link", "link copied", "subscribe", "sign up", "close", "follow", "reply", "previous", "next":
		return true
	}
	for _, start := range []string{"by ", "updated", "published", "posted ", "last updated", "last modified", "written by", "photo:", "photo by", "photo credit", "image:", "image credit",
		"share on", "share this", "tags:", "tagged", "filed under", "categories:", "category:", "topics:", "advertisement", "copyright", "©", "all rights reserved", "source:"} {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	if strings.HasSuffix(s, "min read") || strings.HasSuffix(s, "minute read") || strings.HasSuffix(s, "minutes read") {
		return true
	}
	return isDateLine(s)
}

var monthWords = wordSet(`january february march april may june july august september october november december
	jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed
	thu fri sat sun am pm est edt gmt utc ist pst pdt et cet at on ago hours hour minutes minute days day th st nd rd`)

// isDateLine reports whether a line has a number, and no words but those of
// dates.
func isDateLine(s string) bool {
	if len(s) > 60 || !strings.ContainsAny(s, "0123456789") {
		return false
	}
	dateWords, others := 0, 0
	eachWord(s, func(w string) bool {
		if monthWords[w] {
			dateWords++
		} else {
			others++
		}
		return false
	})
	return others == 0 && (dateWords > 0 || strings.ContainsAny(s, "/-.:"))
}

// hasDate reports whether a short line that is no sentence has a date in it.
func hasDate(s string) bool {
	if len(s) > 80 || strings.HasSuffix(s, ".") || !strings.ContainsAny(s, "0123456789") {
		return false
	}
	month, others := false, 0
	eachWord(s, func(w string) bool {
		if monthWords[strings.ToLower(w)] {
			month = true
		} else {
			others++
		}
		return false
	})
	digits := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' {
			digits++
		}
	}
	return others <= 5 && digits >= 4 && (month || digits >= 8)
}

// isSlogan reports whether a line asks the reader for something, or is left
// over from what scripts would show.
func isSlogan(line string) bool {
	s := strings.ToLower(strings.TrimLeft(line, "[(*-–—>→»•|: "))
	for _, start := range []string{"sign up for", "sign up to", "sign up now", "subscribe to", "subscribe now", "like this story", "like this article", "enjoyed this", "enjoying this",
		"get the latest", "start your day with", "join our newsletter", "join thousands", "tell us what you think", "leave a comment", "leave a reply",
		"this slideshow requires", "javascript is", "please enable javascript", "view this post on", "check price", "buy now", "loading...", "skip to", "all rights reserved",
		"this document is subject to copyright", "story continues below", "article continues", "continue reading", "advertisement", "caption",
		"follow us on", "share this", "view all (", "disclaimer:", "have a story", "do you have a story", "got a tip", "have a tip"} {
		if strings.HasPrefix(s, start) && (len(start) > 8 || len(s) < len(start)+4) {
			return true
		}
	}
	return strings.Contains(s, "contributed to this report") || strings.Contains(s, "thanks for reading") && len(s) < 120
}

// isPointer reports whether a line with a link only leads to something else:
// other articles, a newsletter, an account on a social network.
func isPointer(line string) bool {
	s := strings.ToLower(strings.TrimLeft(line, "[(*-–—>→»•|: "))
	for _, start := range []string{"related:", "related article", "related stor", "related link", "read more", "read also", "also read", "read next", "read:", "more:", "see also:", "see more:", "watch:", "click here", "subscribe to",
		"sign up for", "sign up to", "follow us", "follow me on", "follow @", "like us on", "join us on", "recommended:", "don't miss:", "more from", "more on this", "you may also like", "you might also like", "write to ", "have a tip?", "download our app", "get our free"} {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	if strings.Contains(s, "follow") && (strings.Contains(s, "twitter") || strings.Contains(s, "facebook") || strings.Contains(s, "instagram")) {
		return true
	}
	return false
}
