// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 logging is deprecated since 2026-07-28, and still has to pass

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// addTrials adds what puts those in between to the test: calls that take long,
// say much, tell on the way how they are doing, or fail.
func (s *server) addTrials() {
	add(s, "streamProgress", "Report progress step by step before the result",
		`{"type": "object", "additionalProperties": false, "properties": {
			"steps": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5, "description": "How many notifications"},
			"delayMs": {"type": "integer", "minimum": 0, "maximum": 10000, "default": 100, "description": "Milliseconds before each"}}}`, streamProgress)
	add(s, "writeLog", "Send log messages before the result, if the client wants messages of that level",
		`{"type": "object", "additionalProperties": false, "properties": {
			"level": {"type": "string", "enum": ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"], "default": "info"},
			"message": {"type": "string", "maxLength": 1000, "default": "a log message"},
			"count": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1}}}`, writeLog)
	add(s, "slowCall", "Answer after some time, or end when the call is cancelled",
		`{"type": "object", "additionalProperties": false, "properties": {
			"seconds": {"type": "number", "minimum": 0, "maximum": 60, "default": 1}}}`, slowCall)
	add(s, "largeOutput", "Return a text of so many bytes, in numbered lines that show where something is missing",
		`{"type": "object", "additionalProperties": false, "properties": {
			"bytes": {"type": "integer", "minimum": 1, "maximum": 8388608, "default": 100000}}}`, largeOutput)
	add(s, "failCall", "Fail: as a tool does, with a result, or as the protocol does, with an error",
		`{"type": "object", "additionalProperties": false, "properties": {
			"protocolError": {"type": "boolean", "default": false, "description": "Answer with a JSON-RPC error"},
			"message": {"type": "string", "maxLength": 1000, "default": "this tool always fails"}}}`, failCall)
}

// maxCall bounds all calls.
const maxCall = time.Minute

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func streamProgress(ctx context.Context, c call, in struct {
	Steps   int `json:"steps"`
	DelayMs int `json:"delayMs"`
}) (string, error) {
	delay := time.Duration(in.DelayMs) * time.Millisecond
	if time.Duration(in.Steps)*delay > maxCall {
		return "", fmt.Errorf("that would take longer than %v", maxCall)
	}
	token := c.Params.GetProgressToken()
	for step := range in.Steps {
		if err := sleep(ctx, delay); err != nil {
			return "", err
		}
		if token == nil {
			continue
		}
		err := c.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: float64(step + 1), Total: float64(in.Steps), Message: fmt.Sprintf("step %d of %d", step+1, in.Steps),
		})
		if err != nil {
			return "", err
		}
	}
	if token == nil {
		return fmt.Sprintf("%d steps, and nobody asked for their progress", in.Steps), nil
	}
	return fmt.Sprintf("%d steps, each with a notification", in.Steps), nil
}

func writeLog(ctx context.Context, c call, in struct {
	Level   mcp.LoggingLevel `json:"level"`
	Message string           `json:"message"`
	Count   int              `json:"count"`
}) (string, error) {
	for i := range in.Count {
		err := c.Session.Log(ctx, &mcp.LoggingMessageParams{
			Logger: "echo", Level: in.Level, Data: map[string]any{"message": in.Message, "number": i + 1},
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d messages of level %s; the client says which levels it gets", in.Count, in.Level), nil
}

func slowCall(ctx context.Context, _ call, in struct {
	Seconds float64 `json:"seconds"`
}) (string, error) {
	start := time.Now()
	if err := sleep(ctx, time.Duration(in.Seconds*float64(time.Second))); err != nil {
		return "", err
	}
	return fmt.Sprintf("slept %.1f seconds", time.Since(start).Seconds()), nil
}

func largeOutput(_ context.Context, _ call, in struct {
	Bytes int `json:"bytes"`
}) (string, error) {
	var b strings.Builder
	b.Grow(in.Bytes + 64)
	for line := 1; b.Len() < in.Bytes; line++ {
		fmt.Fprintf(&b, "line %07d of %d bytes, each with a number\n", line, in.Bytes)
	}
	return b.String()[:in.Bytes], nil
}

func failCall(_ context.Context, _ call, in struct {
	ProtocolError bool   `json:"protocolError"`
	Message       string `json:"message"`
}) (string, error) {
	if in.ProtocolError {
		return "", &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: in.Message}
	}
	return "", errors.New(in.Message)
}
