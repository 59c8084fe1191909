// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const (
	// lingerTimeout is how long a stream is kept open after its answer: the
	// server should end it, and then the connection can be used again.
	lingerTimeout = time.Second

	// maxResumes is how often in a row a cut stream is taken up again without
	// a single event.
	maxResumes = 5

	// defaultRetry and maxRetry bound the pause before a stream is opened
	// again, which the server may set and which doubles without success.
	defaultRetry = time.Second
	maxRetry     = 30 * time.Second

	headerLastEventID = "Last-Event-ID"

	// eventOverhead is how many bytes an event may have beside its message, for
	// the names of its fields and its id.
	eventOverhead = 8 << 10
)

// cursor is how far a stream was read, over all of its connections.
type cursor struct {
	lastID string
	retry  time.Duration // as the server asked
	fails  int           // connections in a row without an event
}

func (cur *cursor) pause() time.Duration {
	pause := cur.retry
	if pause == 0 {
		pause = defaultRetry
	}
	for range cur.fails {
		pause = min(2*pause, max(maxRetry, cur.retry))
	}
	return pause
}

// note takes down where the events ended.
func (cur *cursor) note(events *sse.Reader) {
	if id := events.LastEventID(); id != "" {
		cur.lastID = id
	}
	if retry, ok := events.Retry(); ok {
		cur.retry = retry
	}
}

// receiveStream takes the messages on the stream that answers c. A stream
// that is cut before the answer is taken up where it ended, if the server named
// its events (Streamable HTTP, "Resumability").
func (r *remote) receiveStream(ctx context.Context, resp *http.Response, c *call, now sessionState) error {
	var cur cursor
	for resp != nil {
		err := r.readEvents(resp.Body, c, now, &cur)
		resp.Body.Close()
		if c.answered.Load() {
			return nil
		}
		if isFinal(err) {
			return err
		}
		resp = r.resume(ctx, c, now, &cur)
	}
	return localError(r.name() + ": the stream ended before the answer came")
}

// isFinal tells what the server said from a connection that broke.
func isFinal(err error) bool {
	_, local := errors.AsType[localError](err)
	_, answer := errors.AsType[*rpcAnswer](err)
	return local || answer
}

// resume opens a stream behind the last event that was seen, or returns nil.
func (r *remote) resume(ctx context.Context, c *call, now sessionState, cur *cursor) *http.Response {
	for cur.lastID != "" && !c.modern && cur.fails < maxResumes {
		if !sleep(ctx, cur.pause()) {
			return nil
		}
		cur.fails++
		resp, err := r.get(ctx, now, cur.lastID)
		switch {
		case err != nil:
			continue
		case isStream(resp):
			return resp
		}
		resp.Body.Close()
		// To a server that has not noticed yet that the connection broke, the
		// stream is in use: 409.
		if resp.StatusCode < 500 && resp.StatusCode != http.StatusConflict {
			return nil
		}
	}
	return nil
}

func isStream(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK && mediaType(resp.Header) == sse.ContentType
}

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *remote) get(ctx context.Context, now sessionState, lastID string) (*http.Response, error) {
	req := r.newRequest(ctx, http.MethodGet, nil)
	req.Header.Set("Accept", sse.ContentType)
	now.setHeaders(req.Header)
	if lastID != "" {
		req.Header.Set(headerLastEventID, lastID)
	}
	return r.client.Do(req)
}

// readEvents takes messages until the stream of a session ends. c is the call
// that the stream answers, or nil.
func (r *remote) readEvents(body io.Reader, c *call, now sessionState, cur *cursor) error {
	events := sse.NewReader(body, r.limits.MaxMessageBytes+eventOverhead)
	defer cur.note(events)
	for {
		m, err := r.nextMessage(events, cur)
		if err != nil {
			return err
		}
		if c != nil && m.isNamelessError() {
			return &rpcAnswer{m}
		}
		r.incoming(c, m, now.generation)
		if c != nil && c.answered.Load() {
			time.AfterFunc(lingerTimeout, c.cancel)
		}
	}
}

// nextMessage returns the next message on a stream. Events that are none are
// skipped.
func (r *remote) nextMessage(events *sse.Reader, cur *cursor) (message, error) {
	for {
		event, err := events.Next()
		switch {
		case errors.Is(err, sse.ErrTooLarge), len(event.Data) > r.limits.MaxMessageBytes:
			return message{}, localError(fmt.Sprintf("the server's message is too large: more than %d bytes", r.limits.MaxMessageBytes))
		case err != nil:
			return message{}, err
		}
		cur.fails = 0
		if len(event.Data) == 0 || event.Type != "" && event.Type != "message" {
			continue
		}
		m, err := scan(bytes.Clone(event.Data))
		if err == nil {
			return m, nil
		}
		r.logger.LogAttrs(r.ctx, slog.LevelWarn, "event dropped", slog.String("error", err.Error()))
	}
}

// follow keeps the stream of the server's own messages open while the session
// lasts. Servers need not have one: they answer 405. It calls there once the
// first answer is in.
func (r *remote) follow(ctx context.Context, now sessionState, there func()) {
	defer there()
	var cur cursor
	for ctx.Err() == nil {
		resp, err := r.get(ctx, now, cur.lastID)
		there()
		switch {
		case err != nil:
			r.debug(ctx, "stream of server messages failed", r.text(err))
		case isStream(resp):
			err = r.readEvents(resp.Body, nil, now, &cur)
			resp.Body.Close()
			r.debug(ctx, "stream of server messages ended", err.Error())
		case resp.StatusCode == http.StatusNotFound && now.id != "":
			resp.Body.Close()
			// Not with ctx: it ends with the session that is being replaced.
			if err := r.renew(r.ctx, now.generation); err != nil {
				r.debug(r.ctx, "session not renewed", r.text(err))
			}
			return
		case resp.StatusCode < 500:
			r.debug(ctx, "no stream of server messages", newStatusError(r.name(), resp).Error())
			return
		default:
			resp.Body.Close()
		}
		sleep(ctx, cur.pause())
		cur.fails = min(cur.fails+1, maxResumes)
	}
}

func (r *remote) debug(ctx context.Context, text, detail string) {
	if ctx.Err() == nil {
		r.logger.LogAttrs(ctx, slog.LevelDebug, text, slog.String("detail", detail))
	}
}
