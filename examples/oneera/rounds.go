// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// rounds are the answers of a call so far, which travel in its state: a modern
// tool runs from its start in every round, and asks for what is missing.
type rounds struct {
	Done    []map[string]json.RawMessage // of each time that it asked
	Partial map[string]json.RawMessage   // of the last time, as long as some are missing
}

// inputRequired ends a round.
type inputRequired struct {
	questions map[string]question
	state     string
}

func (*inputRequired) Error() string { return "input required" }

func (r *inputRequired) result() object {
	requests := object{}
	for name, q := range r.questions {
		requests[name] = object{"method": q.method, "params": q.params}
	}
	return object{"resultType": "input_required", "inputRequests": requests, "requestState": r.state}
}

// ask answers from earlier rounds and from what the client sent along. What is
// not there, or does not fit, is asked.
func (m *modern) ask(c *call, questions map[string]question) (answers, error) {
	if err := m.allowed(c, questions); err != nil {
		return nil, err
	}
	c.asked++
	if c.asked <= len(c.rounds.Done) {
		return parseAll(questions, c.rounds.Done[c.asked-1])
	}
	got, missing := c.rounds.Partial, map[string]question{}
	if got == nil {
		got = map[string]json.RawMessage{}
	}
	for name, q := range questions {
		if raw, sent := c.params.InputResponses[name]; sent && got[name] == nil {
			if _, err := q.parse(raw); err == nil {
				got[name] = raw
			}
		}
		if got[name] == nil {
			missing[name] = q
		}
	}
	c.params.InputResponses = nil // they were for this round
	if len(missing) > 0 {
		c.rounds.Partial = got
		return nil, &inputRequired{missing, m.seal.close(c.params, c.rounds)}
	}
	c.rounds.Done, c.rounds.Partial = append(c.rounds.Done, got), nil
	return parseAll(questions, got)
}

func parseAll(questions map[string]question, raw map[string]json.RawMessage) (answers, error) {
	got := answers{}
	for name, q := range questions {
		a, err := q.parse(raw[name])
		if err != nil {
			return nil, err
		}
		got[name] = a
	}
	return got, nil
}

// allowed refuses a call that needs what its client cannot do.
func (m *modern) allowed(c *call, questions map[string]question) error {
	lacking := object{}
	for _, q := range questions {
		if need := needs[q.method]; !c.client.has(need) {
			lacking[need] = object{}
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	err := fail(missingCapability, "the client lacks a capability")
	err.Data = object{"requiredCapabilities": lacking}
	return err
}

// A seal proves that a state is ours and belongs to the call.
type seal [32]byte

func newSeal() (s seal) {
	rand.Read(s[:])
	return s
}

func (s seal) close(p params, r rounds) string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return base64.RawURLEncoding.EncodeToString(slices.Concat(s.sum(p, text), text))
}

// open reads the state that came with a call, if any.
func (s seal) open(p params) (r rounds, err error) {
	if p.RequestState == "" {
		return r, nil
	}
	invalid := fail(invalidParams, "requestState is not of this call")
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(p.RequestState)
	if err != nil || len(sealed) < sha256.Size {
		return r, invalid
	}
	sum, text := sealed[:sha256.Size], sealed[sha256.Size:]
	if !hmac.Equal(sum, s.sum(p, text)) || json.Unmarshal(text, &r) != nil {
		return r, invalid
	}
	return r, nil
}

func (s seal) sum(p params, text []byte) []byte {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(strings.Join([]string{p.Name, p.URI, string(p.Arguments), ""}, "\x00")))
	mac.Write(text)
	return mac.Sum(nil)
}
