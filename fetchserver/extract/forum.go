// SPDX-License-Identifier: Apache-2.0

package extract

// On a forum the content is each post with the name of its author and its
// date. What posts carry besides is not: signatures, ranks and counters.

// besidePostWords are parts of the names of that.
var besidePostWords = wordSet(`signature sig flair reputation badges extras notice notices`)

func (n *node) isBesidePost(total int32) bool {
	if n.chars >= total/2 || n.anchors > 0 || !n.isBlock() {
		return false
	}
	beside := func(w string) bool { return besidePostWords[w] }
	return eachWord(n.attr("class"), beside) || eachWord(n.attr("id"), beside)
}
