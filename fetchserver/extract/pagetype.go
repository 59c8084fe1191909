// SPDX-License-Identifier: Apache-2.0

package extract

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// isProduct reports whether the page is about one product: it says so in Open
// Graph, JSON-LD or microdata, or it has a button to buy one thing.
func (t *tree) isProduct() bool {
	og := t.head.first("og:type")
	switch {
	case og == "product.group":
		return false
	case strings.HasPrefix(og, "product"):
		return true
	case t.saysArticle() || t.head.typed(isListType) != nil:
		return false
	}
	products := t.seen.items["Product"]
	for _, thing := range t.head.ld {
		if thing.is("Product", "ProductGroup") {
			products++
		}
	}
	return products >= 1 && products <= 3 || products == 0 && t.seen.buys >= 1 && t.seen.buys <= 3
}

// isForum reports whether the page says that it is a thread: then what readers
// wrote is the content.
func (t *tree) isForum() bool {
	for _, name := range forumTypes {
		if t.seen.items[name] > 0 {
			return true
		}
	}
	return t.head.typed(func(t *thing) bool { return t.is(forumTypes...) }) != nil
}

var forumTypes = []string{"DiscussionForumPosting", "QAPage"}

func isListType(t *thing) bool { return t.is("CollectionPage", "ItemList", "SearchResultsPage") }

// buys reports whether n is a button that puts something into a cart.
func (n *node) buys() bool {
	if n.atom != atom.Button && n.atom != atom.A && n.atom != atom.Input || n.chars > 30 {
		return false
	}
	text := n.attr("value")
	if n.atom != atom.Input {
		text = n.line(30)
	}
	return buyTexts[strings.ToLower(text)]
}

var buyTexts = phraseSet("add to cart", "add to bag", "add to basket", "add to trolley", "buy now", "buy it now", "in den warenkorb",
	"ajouter au panier", "añadir al carrito", "añadir a la cesta", "aggiungi al carrello", "adicionar ao carrinho", "in winkelwagen",
	"dodaj do koszyka", "lägg i varukorg", "加入购物车", "カートに入れる", "в корзину", "sepete ekle")

func phraseSet(phrases ...string) map[string]bool {
	m := map[string]bool{}
	for _, p := range phrases {
		m[p] = true
	}
	return m
}
