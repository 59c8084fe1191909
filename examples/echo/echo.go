// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
)

// addEcho adds what says things back.
func (s *server) addEcho() {
	add(s, "echo", "Echo back the provided message",
		`{"type": "object", "required": ["message"], "additionalProperties": false, "properties": {
			"message": {"type": "string", "maxLength": 65536, "description": "The message to echo back"}}}`, echo)
	if !s.o.stateful {
		return
	}
	add(s, "replayLastEcho", "Replay the last message that was echoed in this session", noArguments, replayLastEcho)
	add(s, "sessionInfo", "Display information about the session of this client", noArguments, sessionInfo)
}

type echoInput struct {
	Message string `json:"message"`
}

func echo(_ context.Context, c call, in echoInput) (string, error) {
	session := c.session()
	if session == nil {
		return in.Message, nil
	}
	c.server.mu.Lock()
	session.echoed = &in.Message
	c.server.mu.Unlock()
	return c.inSession("Session") + in.Message, nil
}

func (c call) inSession(what string) string {
	info, _, _ := c.client()
	return fmt.Sprintf("[%s %s from %s] ", what, c.sessionName(), shown(info.Name))
}

var errNoSession = errors.New("this client has no session: those of " + modernVersion + " and later have none, and nothing is remembered of them")

func replayLastEcho(_ context.Context, c call, _ none) (string, error) {
	session := c.session()
	if session == nil {
		return "", errNoSession
	}
	c.server.mu.Lock()
	echoed := session.echoed
	c.server.mu.Unlock()
	if echoed == nil {
		return "No message was echoed in this session before. Use the echo tool first!", nil
	}
	return c.inSession("REPLAY - Session") + *echoed, nil
}

// sessionInfo shows the caller's own session. Those of others are nobody else's
// business.
func sessionInfo(_ context.Context, c call, _ none) (string, error) {
	p := newPage("Session Information")
	p.section("Current Session")
	info, protocol, _ := c.client()
	if session := c.session(); session != nil {
		c.server.mu.Lock()
		created, used := session.created, session.used
		c.server.mu.Unlock()
		p.line("Session ID", "%s", c.sessionName())
		p.line("Created", "%s", instant(created))
		p.line("Last Activity", "%s", instant(used))
	} else {
		p.note("None: " + errNoSession.Error())
	}
	p.line("Protocol Version", "%s", shown(protocol))
	p.line("Client", "%s v%s", shown(info.Name), shown(info.Version))
	p.section("Server Statistics")
	p.line("Total Active Sessions", "%d of at most %d", c.server.count(), c.server.o.maxSessions)
	p.line("Session Timeout", "%s", c.server.o.sessionTimeout)
	return p.String(), nil
}
