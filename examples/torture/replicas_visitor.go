// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const legacyClient = "torture-legacy"

// A visitor is a client of the group. All that it does goes through the
// balancer, so each request reaches another replica than the one before.
type visitor struct {
	*stage
	ctx    context.Context
	number int
	era    string // legacy or modern
	http   *http.Client
	token  string

	mu   sync.Mutex
	dice *rand.Rand // guarded by mu
}

// A hopped is an answer, with what is known of its way.
type hopped struct {
	*http.Response
	hop   string   // address of the replica that the balancer asked last
	tried []string // those that it had asked before
	begun time.Time
}

// roll returns a number from 0 to n-1.
func (v *visitor) roll(n int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dice.IntN(n)
}

// wrong reports a violation.
func (v *visitor) wrong(kind, session string, call int, want, got string) {
	v.report(violation{Kind: kind, Phase: v.name, Client: v.number, Role: v.era, Session: session, Call: call, Want: want, Got: got})
}

// send makes one request, and makes it again while it is told to wait, which it
// may only be while a replica hangs or has ended. owner is the replica that the
// request is for, if the client knows.
func (v *visitor) send(ctx context.Context, owner, method string, body []byte, header ...string) (*hopped, error) {
	for end := time.Now().Add(patience); ; pause(ctx, 100) {
		req, err := http.NewRequestWithContext(ctx, method, v.base+"/mcp", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+v.token)
		req.Header.Set("Accept", typeJSON+", "+sse.ContentType)
		if method == http.MethodPost {
			req.Header.Set("Content-Type", typeJSON)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		begun := time.Now()
		resp, err := v.http.Do(req)
		if err != nil {
			if owner != "" {
				v.count(sawUnsure, 1)
			}
			return nil, err
		}
		hops := strings.Split(resp.Header.Get("X-Hop"), ", ")
		h := &hopped{resp, hops[len(hops)-1], hops[:len(hops)-1], begun}
		if len(hops) > 1 {
			v.count(sawNext, len(hops)-1)
		}
		if owner != "" && v.at(h.hop) != owner {
			v.count(sawElsewhere, 1)
		}
		if resp.StatusCode != http.StatusServiceUnavailable {
			return h, nil
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		v.count(sawBusy, 1)
		if resp.Header.Get("Retry-After") == "" {
			return nil, fmt.Errorf("503 without Retry-After: %s", text)
		}
		if !v.disturbed() && (owner == "" || !v.mayBeGone(owner)) {
			return nil, fmt.Errorf("503 although a replica is there: %s", text)
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("503 for %v", patience)
		}
	}
}

// excused reports whether a request, that a 502 or the end of a connection
// answered, was at a replica that was killed.
func (v *visitor) excused(owner, hop string, begun time.Time) bool {
	if inc := v.called(owner); inc != nil && inc.killedSince(time.Time{}) {
		return true
	}
	return v.killedAt(hop, begun)
}

// refusalOf describes an answer that is not what was hoped for.
func refusalOf(h *hopped) string {
	text, _ := io.ReadAll(io.LimitReader(h.Body, 300))
	return fmt.Sprintf("%s from %s after %v: %q", h.Status, h.hop, time.Since(h.begun).Round(time.Millisecond), text)
}

// A journal checks the events of one session, which come on whatever stream.
type journal struct {
	wrong   func(kind, want, got string)
	session string

	mu   sync.Mutex
	seen map[int]bool // guarded by mu
}

// take checks an event that came on a stream whose last event had the number
// last, and returns its number.
func (j *journal) take(f *frame, last int) int {
	n := numberOf(f)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case n == nil || n.Session != j.session:
		j.wrong(badMisrouted, "messages of this session", asText(f))
		return last
	case j.seen[n.Seq]:
		j.wrong(badDuplicated, "every event once", asText(f))
	case n.Seq < last:
		j.wrong(badReordered, fmt.Sprint("an event after number ", last), asText(f))
	}
	j.seen[n.Seq] = true
	return n.Seq
}

// missing tells which of the events up to a number have not come.
func (j *journal) missing(upTo int) (numbers []int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n := 1; n <= upTo; n++ {
		if !j.seen[n] {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func numberOf(f *frame) *numbered {
	var p struct {
		Meta struct{ Torture *numbered } `json:"_meta"`
	}
	_ = json.Unmarshal(f.Params, &p)
	return p.Meta.Torture
}

// A steps checks the progress of one call.
type steps struct {
	errand *errand
	token  string
	got    int
}

// take returns what is wrong with a notification, if anything is.
func (s *steps) take(f *frame) (kind, want string) {
	n := numberOf(f)
	var p struct{ ProgressToken json.RawMessage }
	_ = json.Unmarshal(f.Params, &p)
	switch {
	case n == nil || n.Session != s.errand.Session || n.Call != s.errand.Call || string(p.ProgressToken) != s.token:
		return badMisrouted, "progress of this call"
	case n.Seq <= s.got:
		return badDuplicated, fmt.Sprint("progress after step ", s.got)
	case n.Seq > s.got+1:
		return badLost, fmt.Sprint("progress step ", s.got+1)
	}
	s.got++
	return "", ""
}

// accountOf reads the counter's answer.
func accountOf(result json.RawMessage) (*account, error) {
	var r struct{ Content []content }
	if err := json.Unmarshal(result, &r); err != nil {
		return nil, err
	}
	if len(r.Content) != 1 {
		return nil, errors.New("not the counter's answer")
	}
	a := new(account)
	return a, json.Unmarshal([]byte(r.Content[0].Text), a)
}

// check judges the counter's answer to an errand.
func (v *visitor) check(e *errand, s *steps, f *frame) *account {
	a, err := accountOf(f.Result)
	switch {
	case err != nil:
		v.wrong(badAnswer, e.Session, e.Call, "the counter's answer", fmt.Sprintf("%v: %.300s", err, asText(f)))
		return nil
	case a.Session != e.Session || a.Call != e.Call:
		v.wrong(badMisrouted, e.Session, e.Call, "an answer to this call", fmt.Sprintf("one to call %d of %s", a.Call, a.Session))
	case a.Wrong != "":
		v.wrong(badMisrouted, e.Session, e.Call, "a counter that finds nothing wrong", a.Wrong)
	case len(a.Pad) != e.Bytes:
		v.wrong(badAltered, e.Session, e.Call, fmt.Sprint(e.Bytes, " bytes"), fmt.Sprint(len(a.Pad)))
	case s.got != e.Before+e.After:
		v.wrong(badLost, e.Session, e.Call, fmt.Sprint(e.Before+e.After, " steps of progress"), fmt.Sprint(s.got))
	}
	return a
}

// task makes up an errand.
func (v *visitor) task(session string, call int) *errand {
	e := &errand{Session: session, Call: call, Before: v.roll(4), After: v.roll(3), Pause: v.roll(12)}
	if v.roll(4) == 0 {
		e.Ask = true
	}
	if v.roll(20) == 0 {
		e.Bytes = 1 + v.roll(200_000)
	}
	if v.era == legacy {
		e.Events, e.Later = v.roll(4), v.roll(3)
	}
	return e
}
