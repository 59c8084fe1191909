// SPDX-License-Identifier: Apache-2.0

package compat

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/era"
)

// A Dialer connects with the server anew, to speak the versions of one era
// line by line. Closing the connection ends it.
type Dialer func(ctx context.Context, modern bool) (io.ReadWriteCloser, error)

const (
	// maxAnswer bounds what a server may say before and in its answer, in bytes.
	maxAnswer = 16 << 20
	question  = "compat" // the id of our request
)

// Ask puts the first message of each version to the server, on a connection of
// its own, and waits for each answer for as long as timeout. A server that
// refuses is part of the answers; the error is that of ctx, or that the server
// cannot be connected with at all.
func Ask(ctx context.Context, dial Dialer, timeout time.Duration) (map[string]Answer, error) {
	answers := make(map[string]Answer)
	for _, version := range versions() {
		answer, err := askOne(ctx, dial, version, timeout)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		answers[version] = answer
	}
	return answers, nil
}

func askOne(ctx context.Context, dial Dialer, version string, timeout time.Duration) (Answer, error) {
	conn, err := dial(ctx, version == era.Modern)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	type outcome struct {
		answer Answer
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		answer, err := exchange(conn, version)
		done <- outcome{answer, err}
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	silent := false
	select {
	case o := <-done:
		return o.answer, o.err
	case <-timer.C:
		silent = true
	case <-ctx.Done():
	}
	conn.Close()
	<-done // closing ends what it waits for
	if silent {
		return Answer{Error: fmt.Sprintf("no answer within %v", timeout)}, nil
	}
	return Answer{}, ctx.Err()
}

// exchange sends the first message of a version and reads on to its answer.
func exchange(conn io.ReadWriter, version string) (Answer, error) {
	if _, err := io.WriteString(conn, first(version)+"\n"); err != nil {
		return Answer{Error: "the server has ended"}, nil
	}
	lines := bufio.NewScanner(io.LimitReader(conn, maxAnswer))
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		var m struct {
			ID     any
			Result json.RawMessage
			Error  *rpcError
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.ID != question {
			continue // noise, or something that the server says of its own accord
		}
		if m.Error != nil {
			if m.Error.Unreachable() {
				return Answer{}, errors.New(m.Error.Message)
			}
			return Answer{Error: fmt.Sprintf("%s (%d)", m.Error.Message, m.Error.Code)}, nil
		}
		return read(m.Result, version), nil
	}
	return Answer{Error: "the server has ended without an answer"}, nil
}

// rpcError is an error response. Those of the bridge itself say that there is
// no server to be asked, unless that has answered by an HTTP status.
type rpcError struct {
	Code    int
	Message string
	Data    struct {
		Status int `json:"http_status"`
	}
}

const codeBridge = -32000

// Unreachable reports whether no server has answered.
func (e *rpcError) Unreachable() bool {
	return e.Code == codeBridge && (e.Data.Status == 0 || e.Data.Status >= 500)
}

// read takes the result of initialize, or of server/discover.
func read(result json.RawMessage, version string) Answer {
	var r struct {
		ProtocolVersion   string
		SupportedVersions []string
		Capabilities      map[string]json.RawMessage
		ServerInfo        Server
		Meta              struct {
			ServerInfo Server `json:"io.modelcontextprotocol/serverInfo"`
		} `json:"_meta"`
	}
	if err := json.Unmarshal(result, &r); err != nil {
		return Answer{Error: "the answer is none: " + err.Error()}
	}
	a := Answer{Version: r.ProtocolVersion, Server: r.ServerInfo, Capabilities: r.Capabilities}
	if version == era.Modern {
		a.Version, a.Server = "", r.Meta.ServerInfo
		for _, v := range r.SupportedVersions {
			if v == era.Modern {
				a.Version = v
			}
		}
	}
	if a.Version == "" {
		a.Error = "the answer names no version that is known"
	}
	return a
}

// first is the first message of a client of a version. It can be asked
// everything, so that the server tells all that it has.
func first(version string) string {
	const (
		info         = `{"name":"shclient-compat","version":"1"}`
		capabilities = `{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}}}`
	)
	if version == era.Modern {
		profile := era.Profile{Capabilities: []byte(capabilities), Info: []byte(info)}
		return string(append(profile.AppendMeta([]byte(`{"jsonrpc":"2.0","id":"`+question+`","method":"server/discover","params":{"_meta":`)), `}}`...))
	}
	return `{"jsonrpc":"2.0","id":"` + question + `","method":"initialize","params":{"protocolVersion":"` + version + `","capabilities":` + capabilities + `,"clientInfo":` + info + `}}`
}
