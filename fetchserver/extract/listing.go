// SPDX-License-Identifier: Apache-2.0

package extract

// A page that lists other pages, or goods, holds what the list says of each:
// titles, snippets, prices. Its items look like boxes of links, but what they
// link are lines to read, not names of sections.

// keepCards takes back boxes of links that are items of a list, if they hold
// much of the text of the page.
func (t *tree) keepCards(boxes []*node) {
	var cards []*node
	chars := int32(0)
	for _, n := range boxes {
		if n.chars > cardChars*n.links {
			cards = append(cards, n)
			chars += n.chars
		}
	}
	if float64(chars) < cardShare*float64(t.body.chars) {
		return
	}
	for _, n := range cards {
		n.dropped = false
	}
	t.body.measure()
}

const (
	cardChars = 30  // a link of an item is longer
	cardShare = .25 // of the rest of the page that the items must hold
)
