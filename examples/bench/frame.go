// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// protocolVersion is the newest MCP revision that every measured bridge speaks,
// modernVersion the one without sessions, in which every request says all.
const (
	protocolVersion = "2025-06-18"
	modernVersion   = "2026-07-28"
)

const (
	initializeID    = 1
	initializeFrame = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + protocolVersion +
		`","capabilities":{},"clientInfo":{"name":"bench","version":"1.0.0"}}}`
	initializedFrame = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

	discoverID    = 1
	discoverFrame = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta + `}}`
)

// modernMeta is what modern requests say of the client: the same in all of
// them, so that a bridge need not tell the clients apart.
const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + modernVersion +
	`","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}}`

// firstCallID is large, so that ids have one length, and so that they cannot
// meet the small ids that some bridges invent.
const firstCallID = 1_000_001

// textLength is the length of the text of one call.
const textLength = 64

// appendText appends the text that call id asks to have echoed. It differs
// from call to call, and needs no escaping in JSON.
func appendText(dst []byte, id int64) []byte {
	start := len(dst)
	dst = append(dst, "call "...)
	dst = strconv.AppendInt(dst, id, 10)
	dst = append(dst, ", the quick brown fox jumps over the lazy dog again and again "...)
	return dst[:start+textLength]
}

// appendCall appends a tools/call request of the echo tool. meta is a further
// member of its params, or empty.
func appendCall(dst []byte, id int64, times int, meta string) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = strconv.AppendInt(dst, id, 10)
	dst = append(dst, `,"method":"tools/call","params":{"name":"echo","arguments":{"text":"`...)
	dst = appendText(dst, id)
	dst = append(dst, `","times":`...)
	dst = strconv.AppendInt(dst, int64(times), 10)
	dst = append(dst, '}')
	if meta != "" {
		dst = append(append(dst, ','), meta...)
	}
	return append(dst, `}}`...)
}

// A checker decides whether a frame is the right reply to a call. It is not
// safe for concurrent use.
type checker struct {
	id, text []byte // kept for their memory
}

// check reports what is wrong with the reply to call id. Bridges may order
// and space a frame as they like; the usual spelling needs no decoding.
func (c *checker) check(frame []byte, id int64, times int) error {
	c.id = strconv.AppendInt(append(c.id[:0], `"id":`...), id, 10)
	c.text = appendText(c.text[:0], id)
	if holdsID(frame, c.id) && holdsText(frame, c.text, times) && bytes.Contains(frame, []byte(`"result":`)) {
		return nil
	}
	return checkDecoded(frame, id, strings.Repeat(string(c.text), times))
}

// holdsID reports whether frame has the member idMember, as in "id":12, and
// not just one that begins like it.
func holdsID(frame, idMember []byte) bool {
	i := bytes.Index(frame, idMember)
	if i < 0 || i+len(idMember) >= len(frame) {
		return false
	}
	next := frame[i+len(idMember)]
	return next == ',' || next == '}'
}

// holdsText reports whether frame has a string of just text, times over.
func holdsText(frame, text []byte, times int) bool {
	i := bytes.Index(frame, text)
	if i < 1 || frame[i-1] != '"' {
		return false
	}
	rest := frame[i:]
	for range times {
		var ok bool
		if rest, ok = bytes.CutPrefix(rest, text); !ok {
			return false
		}
	}
	return bytes.HasPrefix(rest, []byte(`"`))
}

func checkDecoded(frame []byte, id int64, text string) error {
	var reply struct {
		ID     json.RawMessage
		Error  json.RawMessage
		Result struct {
			Content []struct{ Text string }
		}
	}
	if err := json.Unmarshal(frame, &reply); err != nil {
		return fmt.Errorf("reply is not JSON: %w", err)
	}
	if reply.Error != nil {
		return fmt.Errorf("error reply: %.200s", reply.Error)
	}
	if string(reply.ID) != strconv.FormatInt(id, 10) {
		return fmt.Errorf("reply has id %.40s, want %d", reply.ID, id)
	}
	if len(reply.Result.Content) != 1 || reply.Result.Content[0].Text != text {
		return errors.New("reply does not echo the text")
	}
	return nil
}
