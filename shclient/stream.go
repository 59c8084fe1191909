// SPDX-License-Identifier: Apache-2.0

package shclient

import (
	"bytes"
	"context"
	"errors"
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

// receiveStream delivers the messages on the stream that answers c. A stream
// that is cut before the answer is taken up where it ended, if the server named
// its events (Streamable HTTP, "Resumability").
func (l *link) receiveStream(ctx context.Context, resp *http.Response, c *call, now sessionState) error {
	var cur cursor
	for resp != nil {
		err := l.readEvents(resp.Body, c, &cur)
		resp.Body.Close()
		if c.answered.Load() {
			return nil
		}
		if isFinal(err) {
			return err
		}
		resp = l.resume(ctx, c, now, &cur)
	}
	return localError(l.name() + ": the stream ended before the answer came")
}

// isFinal tells what the server said from a connection that broke.
func isFinal(err error) bool {
	_, local := errors.AsType[localError](err)
	_, answer := errors.AsType[*rpcAnswer](err)
	return local || answer
}

// resume opens a stream behind the last event that was seen, or returns nil.
func (l *link) resume(ctx context.Context, c *call, now sessionState, cur *cursor) *http.Response {
	for cur.lastID != "" && !c.modern && cur.fails < maxResumes {
		if !sleep(ctx, cur.pause()) {
			return nil
		}
		cur.fails++
		resp, err := l.get(ctx, now, cur.lastID)
		switch {
		case err != nil:
			continue
		case isStream(resp):
			return resp
		}
		resp.Body.Close()
		if resp.StatusCode < 500 {
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

func (l *link) get(ctx context.Context, now sessionState, lastID string) (*http.Response, error) {
	req := l.newRequest(ctx, http.MethodGet, nil)
	req.Header.Set("Accept", sse.ContentType)
	now.setHeaders(req.Header)
	if lastID != "" {
		req.Header.Set(headerLastEventID, lastID)
	}
	return l.client.Do(req)
}

// readEvents delivers messages until the stream ends. c is the call that the
// stream answers, or nil.
func (l *link) readEvents(body io.Reader, c *call, cur *cursor) error {
	events := sse.NewReader(body, l.limits.MaxMessageBytes)
	defer func() {
		if id := events.LastEventID(); id != "" {
			cur.lastID = id
		}
		if retry, ok := events.Retry(); ok {
			cur.retry = retry
		}
	}()
	for {
		event, err := events.Next()
		switch {
		case errors.Is(err, sse.ErrTooLarge):
			return localError("the server's message is too large")
		case err != nil:
			return err
		}
		cur.fails = 0
		if len(event.Data) == 0 || event.Type != "" && event.Type != "message" {
			continue
		}
		m, err := scan(bytes.Clone(event.Data))
		if err != nil {
			l.logger.LogAttrs(l.ctx, slog.LevelWarn, "event dropped", slog.String("error", err.Error()))
			continue
		}
		if c != nil && m.isNamelessError() {
			return &rpcAnswer{m}
		}
		l.deliver(c, m)
		if c != nil && c.answered.Load() {
			time.AfterFunc(lingerTimeout, c.cancel)
		}
	}
}

// follow keeps the stream of the server's own messages open while the session
// lasts. Servers need not have one: they answer 405.
func (l *link) follow(ctx context.Context, now sessionState) {
	var cur cursor
	for ctx.Err() == nil {
		resp, err := l.get(ctx, now, cur.lastID)
		switch {
		case err != nil:
			l.debug(ctx, "stream of server messages failed", l.text(err))
		case isStream(resp):
			err = l.readEvents(resp.Body, nil, &cur)
			resp.Body.Close()
			l.debug(ctx, "stream of server messages ended", err.Error())
		case resp.StatusCode == http.StatusNotFound && now.id != "":
			resp.Body.Close()
			// Not with ctx: it ends with the session that is being replaced.
			if err := l.renew(l.ctx, now.generation); err != nil {
				l.debug(l.ctx, "session not renewed", l.text(err))
			}
			return
		case resp.StatusCode < 500:
			l.debug(ctx, "no stream of server messages", newStatusError(l.name(), resp).Error())
			return
		default:
			resp.Body.Close()
		}
		sleep(ctx, cur.pause())
		cur.fails = min(cur.fails+1, maxResumes)
	}
}

func (l *link) debug(ctx context.Context, text, detail string) {
	if ctx.Err() == nil {
		l.logger.LogAttrs(ctx, slog.LevelDebug, text, slog.String("detail", detail))
	}
}
