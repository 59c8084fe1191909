// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// startTimeout is how long a server may take until it answers.
const startTimeout = time.Minute

// A service is a program that a walk started, and has to end.
type service struct {
	cmd    *exec.Cmd
	stderr strings.Builder
}

// serveAt starts a program that serves HTTP, and waits until the URL answers.
func (r *rehearsal) serveAt(ctx context.Context, url string, env []string, name string, args ...string) (*service, error) {
	s := &service{cmd: exec.CommandContext(ctx, name, args...)}
	s.cmd.Dir, s.cmd.Env = r.dir, append(os.Environ(), env...)
	s.cmd.Stderr = &s.stderr
	asGroup(s.cmd)
	s.cmd.Cancel = func() error { return killGroup(s.cmd) }
	s.cmd.WaitDelay = 10 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) { // between two questions
		res, err := client.Get(url)
		if err == nil {
			res.Body.Close()
			return s, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			_ = killGroup(s.cmd)
			_ = s.cmd.Wait()
			return nil, fmt.Errorf("%s does not serve: %w\n%s", strings.Join(s.cmd.Args, " "), err, s.stderr.String())
		}
	}
}

// stop ends the service as an operator does, and wants nobody to listen at addr
// afterwards.
func (s *service) stop(addr string) error {
	if err := endGroup(s.cmd); err != nil {
		return err
	}
	_ = s.cmd.Wait() // npx has a status of its own
	defer killGroup(s.cmd)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // between two questions
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil
		}
		c.Close()
		if time.Now().After(deadline) {
			return fmt.Errorf("%s still serves after a signal\n%s", strings.Join(s.cmd.Args, " "), s.stderr.String())
		}
	}
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// hasTool runs a server on stdio as a client with that configuration line does,
// and wants it to have a tool and to end, with status 0, when its standard input
// does.
func hasTool(ctx context.Context, dir string, env []string, tool string, line ...string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, env
	var stderr strings.Builder
	cmd.Stderr, cmd.WaitDelay = &stderr, 10*time.Second
	asGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = askForTool(in, bufio.NewReaderSize(out, 1<<20), tool)
	err = errors.Join(err, in.Close(), cmd.Wait())
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(line, " "), err, stderr.String())
	}
	return nil
}

// askForTool speaks MCP as far as the list of tools.
func askForTool(in io.Writer, out *bufio.Reader, tool string) error {
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"rehearsal","version":"1"}}}` + "\n"
	if _, err := io.WriteString(in, initialize); err != nil {
		return err
	}
	if _, err := reply(out, 1); err != nil {
		return fmt.Errorf("initialize: %w", err)
	}
	const list = `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" + `{"jsonrpc":"2.0","id":2,"method":"tools/list"}` + "\n"
	if _, err := io.WriteString(in, list); err != nil {
		return err
	}
	result, err := reply(out, 2)
	if err != nil {
		return fmt.Errorf("tools/list: %w", err)
	}
	var tools struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(result, &tools); err != nil {
		return err
	}
	for _, t := range tools.Tools {
		if t.Name == tool {
			return nil
		}
	}
	return fmt.Errorf("no tool %s among %v", tool, tools.Tools)
}

// reply reads until the response to a request.
func reply(out *bufio.Reader, id int) (result json.RawMessage, err error) {
	for {
		line, err := out.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		var message struct {
			ID            *int
			Result, Error json.RawMessage
		}
		if err := json.Unmarshal(line, &message); err != nil {
			return nil, fmt.Errorf("standard output has %q: %w", line, err)
		}
		if message.ID == nil || *message.ID != id {
			continue // a notification
		}
		if message.Error != nil {
			return nil, fmt.Errorf("error %s", message.Error)
		}
		return message.Result, nil
	}
}

// need finds a program, or says how to get it. Without it a walk is left out, but
// not where everything must be there.
func (r *rehearsal) need(name, install string) (path string, err error) {
	path, err = exec.LookPath(name)
	if err == nil || os.Getenv("REQUIRE_ALL") == "1" {
		return path, err
	}
	return "", &absent{name + " is absent: " + install}
}

// An absent program makes a step that is skipped.
type absent struct{ what string }

func (a *absent) Error() string { return a.what }
