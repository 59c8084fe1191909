// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

// listen opens a standalone stream. The newest one gets what comes; an older
// one ends.
func (c *client) listen(name string) {
	c.mu.Lock()
	c.listening++ // before the older stream can end
	newest := c.listening
	c.mu.Unlock()
	resp := c.openStream("")
	c.streams.Go(func() {
		lastID := ""
		for resp != nil {
			lastID = c.readStream(name, resp, lastID)
			c.mu.Lock()
			replaced := newest != c.listening
			c.mu.Unlock()
			switch {
			case replaced || c.excused():
				return
			case lastID == "":
				c.wrong(0, name+" to stay open", "its end")
				return
			}
			c.stats.count("resume", "standalone stream resumed")
			resp = c.openStream(lastID)
		}
	})
}

// openStream returns nil after it has told why there is no stream.
func (c *client) openStream(lastID string) *http.Response {
	var header []string
	if lastID != "" {
		header = []string{"Last-Event-ID", lastID}
	}
	resp, err := c.request(c.ctx, http.MethodGet, nil, header...)
	if err != nil {
		c.failed(0, "a standalone stream", err)
		return nil
	}
	if resp.StatusCode == http.StatusOK && mediaType(resp) == sse.ContentType {
		return resp
	}
	err = fmt.Errorf("status %d of type %q, %w", resp.StatusCode, mediaType(resp), refusal(resp))
	if resp.StatusCode == http.StatusNotFound {
		err = errGone
	}
	resp.Body.Close()
	c.failed(0, "a standalone stream", err)
	return nil
}

// readStream reads to the end and returns the id of the last event.
func (c *client) readStream(name string, resp *http.Response, lastID string) string {
	defer resp.Body.Close()
	events := sse.NewReader(resp.Body, maxMessage)
	for {
		event, err := events.Next()
		if id := events.LastEventID(); id != "" {
			lastID = id
		}
		if err != nil {
			return lastID
		}
		if len(event.Data) == 0 {
			continue
		}
		m := new(message)
		if err := json.Unmarshal(event.Data, m); err != nil {
			c.violate(badAltered, 0, "JSON", fmt.Sprintf("%v in %.200q", err, event.Data))
			continue
		}
		c.ledger.take(name, standalone, m)
		if m.isRequest() {
			c.answer(m)
		}
	}
}
