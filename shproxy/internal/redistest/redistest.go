// SPDX-License-Identifier: Apache-2.0

// Package redistest runs real Redis servers for tests: each in a directory of
// its own, and ended with the test.
package redistest

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Server is a Redis server that keeps nothing on disk, so that it is empty
// after a restart.
type Server struct {
	Addr string // HOST:PORT on loopback

	t     *testing.T
	path  string
	args  []string
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// Start starts a server with further directives, such as "--requirepass x".
// Without redis-server the test is skipped, or fails with REQUIRE_ALL=1.
func Start(t *testing.T, directives ...string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("REQUIRE_ALL") == "1" {
			t.Fatal("redis-server is absent: apt-get install redis-server")
		}
		t.Skip("redis-server is absent: apt-get install redis-server")
	}
	s := &Server{t: t, path: path}
	t.Cleanup(s.Kill)
	for range 20 {
		// Below the ports that systems give to whoever asks for any.
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		s.Addr = net.JoinHostPort("127.0.0.1", port)
		s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()}, directives...)
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// URL is that of the server.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Kill ends the server at once, as a crash would. It does nothing if it does not
// run.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Restart starts the server again after Kill, empty.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	s.cmd = exec.Command(s.path, s.args...)
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	for !s.answers() {
		select {
		case <-s.ended:
			s.cmd = nil
			return errors.New("redis-server ended at its start")
		case <-s.t.Context().Done():
			s.Kill()
			return s.t.Context().Err()
		case <-time.After(10 * time.Millisecond): // between two questions
		}
	}
	select {
	case <-s.ended: // another server has the port
		s.cmd = nil
		return errors.New("the port is taken")
	default:
		return nil
	}
}

// answers reports whether the server answers, if only that it wants a password.
func (s *Server) answers() bool {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 100))
	return err == nil && n > 0
}
