// SPDX-License-Identifier: Apache-2.0

package extract

// Metadata is what a page says about itself. Each field is one line and may be
// empty.
type Metadata struct {
	Title       string
	Byline      string // who wrote it
	Site        string // the name of the publication
	Published   string // RFC 3339, date or date and time, if the page gives one that can be read
	Lang        string // BCP 47
	Description string
}
