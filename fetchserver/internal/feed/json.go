// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"
	"strings"
)

// ParseJSON reads a JSON Feed (jsonfeed.org, versions 1 and 1.1).
func ParseJSON(s string) (*Feed, error) {
	var from struct {
		Version     string `json:"version"`
		Title       string `json:"title"`
		Description string `json:"description"`
		HomePage    string `json:"home_page_url"`
		Language    string `json:"language"`
		Items       []struct {
			Title       string   `json:"title"`
			URL         string   `json:"url"`
			ExternalURL string   `json:"external_url"`
			Summary     string   `json:"summary"`
			ContentText string   `json:"content_text"`
			ContentHTML string   `json:"content_html"`
			Published   string   `json:"date_published"`
			Author      *author  `json:"author"`
			Authors     []author `json:"authors"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(s), &from); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(from.Version, "https://jsonfeed.org/version/") {
		return nil, errNoFeed
	}
	f := &Feed{Title: line(from.Title, maxLine), Description: line(from.Description, maxSummary), Link: from.HomePage, Lang: line(from.Language, 35)}
	for _, item := range from.Items {
		names := []string{}
		for _, a := range item.Authors {
			names = append(names, a.Name)
		}
		if item.Author != nil && len(names) == 0 {
			names = append(names, item.Author.Name)
		}
		summary := text(item.ContentHTML, maxSummary)
		if plain := first(item.Summary, item.ContentText); plain != "" {
			summary = line(plain, maxSummary)
		}
		f.add(Entry{
			Title:     line(item.Title, maxLine),
			Link:      first(item.URL, item.ExternalURL),
			Author:    line(strings.Join(names, ", "), maxLine),
			Published: date(item.Published),
			Summary:   summary,
		})
	}
	return f, nil
}

type author struct {
	Name string `json:"name"`
}
