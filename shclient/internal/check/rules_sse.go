// SPDX-License-Identifier: Apache-2.0

package check

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

func sseRules() []Rule {
	const sending, resuming = "basic/transports#sending-messages-to-the-server", "basic/transports#resumability-and-redelivery"
	modern := map[string]string{V20260728: "basic/transports/streamable-http#receiving-messages"}
	return []Rule{
		{
			ID: "sse.response", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern,
			Demand: "the event stream of a request has its response",
			Check:  streamResponse,
		}, {
			ID: "sse.messages", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern,
			Demand: "the events of a stream hold messages, and nothing else",
			Check:  streamMessages,
		}, {
			ID: "sse.framing", Level: Must, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern,
			Demand: "an event stream has fields and comments alone, and an empty line behind each event (HTML section 9.2)",
			Check:  streamFraming,
		}, {
			ID: "sse.event-type", Level: Should, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern,
			Demand: "the events of messages are of the type message, the one without a name",
			Check:  streamEventType,
		}, {
			ID: "sse.ends", Level: Should, Since: V20250326, Transports: HTTP, Section: sending, Elsewhere: modern,
			Demand: "the event stream of a request ends behind the response",
			Check:  streamEnds,
		}, {
			ID: "sse.primed", Level: Should, Since: V20251125, Until: V20251125, Transports: HTTP, Section: sending,
			Demand: "an event stream begins with an event that has an id and no data, so that it can be resumed",
			Check:  streamPrimed,
		}, {
			ID: "sse.event-ids", Level: Must, Since: V20250326, Until: V20251125, Transports: HTTP, Section: resuming,
			Demand: "the ids of events are unique in the session",
			Check:  eventIDs,
		}, {
			ID: "sse.resumed-stream", Level: Must, Since: V20250326, Until: V20251125, Transports: HTTP, Section: resuming,
			Demand: "a resumed stream repeats no messages of other streams",
			Check:  resumedStream,
		},
	}
}

// stream is the answer to a request as an event stream, to its end if the server
// ends it; one for all rules of the version.
func (p *Probe) stream(ctx context.Context) (*HTTPResponse, error) {
	resp, err := Once(p, "stream", func() (*HTTPResponse, error) { return p.newStream(ctx, true) })
	p.Forget()
	if err != nil {
		return nil, err
	}
	p.Show(resp.Exchange)
	return resp, nil
}

func (p *Probe) newStream(ctx context.Context, toEnd bool) (*HTTPResponse, error) {
	s, err := p.Session(ctx)
	if err != nil {
		return nil, err
	}
	p.Forget()
	method := "tools/list"
	if s.capabilities()["tools"] == nil {
		method = p.anyRequest()
	}
	raw := requestBytes(s.NewID(), method, p.params(nil))
	r := HTTPRequest{Body: raw, Header: s.Header(p, raw)}
	if !toEnd {
		r.Until = Message.IsResponse
	}
	resp, err := p.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	if !resp.isStream() {
		return nil, Skipf("the server answers with %s, no event stream", resp.MediaType())
	}
	return resp, nil
}

func streamResponse(ctx context.Context, p *Probe) error {
	resp, err := p.stream(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(resp.Messages, Message.IsResponse) {
		p.Brokenf("the stream has no response")
	}
	return nil
}

func streamMessages(ctx context.Context, p *Probe) error {
	resp, err := p.stream(ctx)
	if err != nil {
		return err
	}
	for _, noise := range resp.Noise {
		p.Brokenf("an event has data that is no message: %q", bound(noise, 200))
	}
	return nil
}

func streamFraming(ctx context.Context, p *Probe) error {
	resp, err := p.stream(ctx)
	if err != nil {
		return err
	}
	if resp.MediaType() != sse.ContentType {
		p.Brokenf("an event stream has the type %q", resp.MediaType())
	}
	body := bytes.TrimPrefix(bytes.ReplaceAll(bytes.ReplaceAll(resp.Body, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n")), []byte("\xEF\xBB\xBF"))
	for line := range bytes.Lines(body) {
		line := strings.TrimRight(string(line), "\n")
		field, _, _ := strings.Cut(line, ":")
		if line != "" && field != "" && !slices.Contains([]string{"data", "event", "id", "retry"}, field) {
			p.Brokenf("the stream has a line that is neither a field nor a comment: %q", bound(line, 200))
		}
	}
	if resp.Ended && len(body) > 0 && !bytes.HasSuffix(body, []byte("\n\n")) {
		p.Brokenf("the last event is not ended by an empty line, so that clients drop it")
	}
	return nil
}

func streamEventType(ctx context.Context, p *Probe) error {
	resp, err := p.stream(ctx)
	if err != nil {
		return err
	}
	for _, e := range resp.Events {
		if len(e.Data) > 0 && e.Type != "" && e.Type != "message" {
			p.Brokenf("an event has the type %q", bound(e.Type, 100))
		}
	}
	return nil
}

func streamEnds(ctx context.Context, p *Probe) error {
	resp, err := p.stream(ctx)
	if err != nil {
		return err
	}
	if !resp.Ended {
		p.Brokenf("the stream is still open %v after the request", p.run.o.timeout())
	}
	return nil
}

func streamPrimed(ctx context.Context, p *Probe) error {
	resp, err := p.stream(ctx)
	if err != nil {
		return err
	}
	if len(resp.Events) > 0 && (len(resp.Events[0].Data) > 0 || resp.Events[0].ID == "") {
		p.Brokenf("the stream begins with a message")
	}
	return nil
}

// idsOf are the ids of the events of a stream, as they stand there.
func idsOf(resp *HTTPResponse) []string {
	var ids []string
	for line := range bytes.Lines(resp.Body) {
		if id, ok := strings.CutPrefix(strings.TrimRight(string(line), "\r\n"), "id:"); ok {
			ids = append(ids, strings.TrimPrefix(id, " "))
		}
	}
	return ids
}

func eventIDs(ctx context.Context, p *Probe) error {
	seen := map[string]bool{}
	for range 3 {
		resp, err := p.newStream(ctx, false)
		if err != nil {
			return err
		}
		for _, id := range idsOf(resp) {
			if seen[id] {
				p.Brokenf("the id %q comes twice", bound(id, 100))
				return nil
			}
			seen[id] = true
		}
	}
	if len(seen) == 0 {
		return Skipf("events have no ids")
	}
	return nil
}

func resumedStream(ctx context.Context, p *Probe) error {
	first, err := p.newStream(ctx, false)
	if err != nil {
		return err
	}
	ids := idsOf(first)
	if len(ids) == 0 {
		return Skipf("events have no ids")
	}
	s, err := p.Session(ctx)
	if err != nil {
		return err
	}
	own, ok := responseIn(first)
	if !ok {
		return Skipf("the stream has no response")
	}
	if _, err := p.newStream(ctx, false); err != nil {
		return err
	}
	p.Forget()
	h := s.getHeader(p)
	h.Set("Last-Event-ID", ids[0])
	// A server may keep the stream open; what it repeats comes at once.
	short, cancel := context.WithTimeoutCause(ctx, min(2*time.Second, p.run.o.timeout()), late(2*time.Second))
	defer cancel()
	resp, err := p.Do(short, HTTPRequest{Method: http.MethodGet, Header: h, Until: func(m Message) bool { return m.IsResponse() && m.Has("id") && !sameID(m.ID(), own) }})
	if err != nil && !IsSilence(err) || resp == nil {
		return err
	}
	for _, m := range resp.Messages {
		if m.IsResponse() && m.Has("id") && !sameID(m.ID(), own) {
			p.Brokenf("the stream of one request repeats the response to another when it is resumed")
		}
	}
	return nil
}

func responseIn(resp *HTTPResponse) (id json.RawMessage, ok bool) {
	i := slices.IndexFunc(resp.Messages, Message.IsResponse)
	if i < 0 {
		return nil, false
	}
	return resp.Messages[i].ID(), true
}
