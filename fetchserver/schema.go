// SPDX-License-Identifier: Apache-2.0

package fetchserver

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
)

// Bounds of the arguments.
const (
	maxURLLength  = 8192
	maxSlice      = 1_000_000 // exclusive, as in mcp-server-fetch
	defaultSlice  = 5000
	maxURLs       = 20
	maxManySlice  = 50_000
	maxBodyLength = 100_000
)

// schema is a JSON Schema that this package writes down.
type schema map[string]any

func (s schema) encode() json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // of maps and strings only
	}
	return text
}

func object(required []string, properties schema) schema {
	return schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func described(text string, s schema) schema {
	s["description"] = text
	return s
}

func urlSchema(text string) schema {
	return described(text, schema{"type": "string", "format": "uri", "minLength": 1, "maxLength": maxURLLength})
}

func rawSchema() schema {
	return described("Return the HTML of a page as it is, without conversion to Markdown", schema{"type": "boolean", "default": false})
}

// fetchInput is the schema of the fetch tool's arguments: those of
// mcp-server-fetch, and what the operator allows beyond them.
func (s *Server) fetchInput() schema {
	properties := schema{
		"url": urlSchema("The https or http URL to fetch"),
		"max_length": described("The maximum number of characters to return",
			schema{"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": maxSlice, "default": defaultSlice}),
		"start_index": described("Return the content from this character on; use the next_index of a truncated result to read on",
			schema{"type": "integer", "minimum": 0, "maximum": math.MaxInt32, "default": 0}),
		"raw": rawSchema(),
	}
	if len(s.opts.AllowMethods) > 0 {
		methods := []string{http.MethodGet}
		for _, m := range s.opts.AllowMethods {
			methods = append(methods, strings.ToUpper(m))
		}
		properties["method"] = described("The HTTP method", schema{"type": "string", "enum": methods, "default": http.MethodGet})
		properties["body"] = described("The body of the request, for methods that have one",
			schema{"type": "string", "maxLength": maxBodyLength, "default": ""})
	}
	if len(s.opts.AllowHeaders) > 0 {
		fields := schema{}
		for _, name := range s.opts.AllowHeaders {
			fields[http.CanonicalHeaderKey(name)] = schema{"type": "string", "maxLength": 4096}
		}
		properties["headers"] = described("Header fields of the request",
			schema{"type": "object", "properties": fields, "additionalProperties": false, "default": schema{}})
	}
	return object([]string{"url"}, properties)
}

func manyInput() schema {
	return object([]string{"urls"}, schema{
		"urls": described("The https or http URLs to fetch", schema{
			"type": "array", "minItems": 1, "maxItems": maxURLs, "uniqueItems": true,
			"items": schema{"type": "string", "format": "uri", "minLength": 1, "maxLength": maxURLLength},
		}),
		"max_length": described("The maximum number of characters to return of each",
			schema{"type": "integer", "exclusiveMinimum": 0, "maximum": maxManySlice, "default": defaultSlice}),
		"raw": rawSchema(),
	})
}

// output is the structured content of a document.
type output struct {
	URL         string   `json:"url"`
	FinalURL    string   `json:"final_url"`
	Status      int      `json:"status"`
	ContentType string   `json:"content_type"`
	Title       string   `json:"title"`
	Byline      string   `json:"byline"`
	Site        string   `json:"site"`
	Published   string   `json:"published"`
	Lang        string   `json:"lang"`
	Description string   `json:"description"`
	Length      int      `json:"length"`
	StartIndex  int      `json:"start_index"`
	NextIndex   *int     `json:"next_index"`
	Truncated   bool     `json:"truncated"`
	ETag        string   `json:"etag"`
	Robots      string   `json:"robots"`
	Notes       []string `json:"notes"`
}

func fetchOutput() schema {
	text := func(description string) schema { return described(description, schema{"type": "string"}) }
	properties := schema{
		"url":          text("The URL that was asked for"),
		"final_url":    text("The URL that answered, after redirects"),
		"status":       described("The HTTP status", schema{"type": "integer"}),
		"content_type": text("The media type of the resource"),
		"title":        text("The title of the page; this and the next five are empty if the page does not say"),
		"byline":       text("Who wrote it"),
		"site":         text("The name of the site or publication"),
		"published":    text("When it was published"),
		"lang":         text("The language (BCP 47)"),
		"description":  text("What the page says that it is about"),
		"length":       described("The length of the whole content in characters", schema{"type": "integer"}),
		"start_index":  described("Where the returned slice starts", schema{"type": "integer"}),
		"next_index":   described("The start_index of the next slice, or null at the end", schema{"type": []string{"integer", "null"}}),
		"truncated":    described("Whether content follows the returned slice", schema{"type": "boolean"}),
		"etag":         text("The entity tag of the resource; empty if it has none"),
		"robots": described("Whether robots.txt allows automated clients to fetch it, or was not asked",
			schema{"type": "string", "enum": []string{string(RobotsAllowed), string(RobotsNotAsked)}}),
		"notes": described("What to know about how the content was got", schema{"type": "array", "items": schema{"type": "string"}}),
	}
	required := []string{"url", "final_url", "status", "content_type", "title", "byline", "site", "published", "lang", "description",
		"length", "start_index", "next_index", "truncated", "etag", "robots", "notes"}
	return object(required, properties)
}

// manyOutput is the structured content of the fetch_many tool.
type manyResult struct {
	Results []manyItem `json:"results"`
}

type manyItem struct {
	URL      string  `json:"url"`
	Error    string  `json:"error,omitempty"`
	Document *output `json:"document,omitempty"`
}

func manyOutput() schema {
	return object([]string{"results"}, schema{
		"results": described("What became of each URL, in the order of the arguments", schema{
			"type": "array",
			"items": object([]string{"url"}, schema{
				"url":      described("The URL that was asked for", schema{"type": "string"}),
				"error":    described("Why it could not be fetched, and what to do", schema{"type": "string"}),
				"document": described("What was fetched; its text is in the content", fetchOutput()),
			}),
		}),
	})
}
