// SPDX-License-Identifier: Apache-2.0

package shproxy

import (
	"bytes"
	"net/http"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/internal/stats"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// batchVersion is the one protocol version with batches.
const batchVersion = "2025-03-26"

func isBatch(frame []byte) bool {
	frame = bytes.TrimLeft(frame, " \t\r\n")
	return len(frame) > 0 && frame[0] == '['
}

// batch takes several messages at once (MCP 2025-03-26, transports, "Sending
// Messages to the Server"). The server gets them one by one; the answers go to
// one event stream as they come.
func (p *Proxy) batch(w http.ResponseWriter, r *http.Request, frame []byte) *problem {
	s, problem := p.session(r)
	switch {
	case problem != nil && problem.status == http.StatusNotFound:
		return problem // so that the client starts another session
	case problem != nil || s.Version() != batchVersion:
		return scanProblem(jsonrpc.ErrBatch)
	}
	spans, err := jsonrpc.Elements(frame)
	if err != nil {
		return scanProblem(err)
	}
	var requests, others [][]byte
	var calls, posts []jsonrpc.Message
	for _, span := range spans {
		element := span.Of(frame)
		m, err := jsonrpc.Scan(element)
		if err != nil {
			return scanProblem(err)
		}
		switch {
		case m.Kind != jsonrpc.Request:
			others, posts = append(others, element), append(posts, m)
		case jsonrpc.Is(element, m.Method, "initialize"):
			return fail(http.StatusBadRequest, jsonrpc.InvalidRequest, "initialize must not be part of a batch")
		default:
			requests, calls = append(requests, element), append(calls, m)
		}
	}
	reply, problem := p.newReply(w, r)
	if problem == nil && len(requests) > 0 && !reply.events {
		problem = fail(http.StatusNotAcceptable, codeTransport, "Accept must list text/event-stream")
	}
	if problem != nil {
		return problem
	}
	if problem := p.limit(r, len(requests)); problem != nil {
		return problem
	}
	for i, other := range others {
		span, with, m := p.sent(r, other, posts[i])
		if err := s.Post(with, m); err != nil {
			span.end(stats.Refused, 0)
			return sendProblem(err).refusal()
		}
		span.end(stats.OK, 0)
	}
	p.recorder.BytesIn.Add(int64(len(frame)))
	if len(requests) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	outcome := stats.OK // the answers are not told apart
	for i := range requests {
		var span span
		span, requests[i], calls[i] = p.sent(r, requests[i], calls[i])
		defer func() { span.end(outcome, 0) }()
	}
	reader, err := s.Batch(requests, calls)
	if err != nil {
		outcome = stats.Refused
		return sendProblem(err)
	}
	defer reader.Leave()
	reply.json = false
	reply.relay(&reader)
	return nil
}
