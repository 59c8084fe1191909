// SPDX-License-Identifier: Apache-2.0

// Package sse reads and writes Server-Sent Events, the text/event-stream
// format of the HTML Living Standard, section 9.2
// (https://html.spec.whatwg.org/multipage/server-sent-events.html), as far as
// MCP's Streamable HTTP transport uses it.
//
//	events := sse.NewReader(resp.Body, 0)
//	for {
//		event, err := events.Next()
//		if err != nil {
//			return err // io.EOF at the end
//		}
//		fmt.Printf("%s\n", event.Data)
//	}
package sse

// ContentType is the media type of an event stream.
const ContentType = "text/event-stream"

// Event is one event of a stream.
type Event struct {
	// ID is the event's own id field. Written: left out when empty. Read:
	// the last event id of the stream, which an event without an id field
	// inherits.
	ID string
	// Type is the event field. The empty string means "message".
	Type string
	// Data is the payload; its lines are separated by \n.
	Data []byte
}
