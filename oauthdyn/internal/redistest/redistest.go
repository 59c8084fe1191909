// SPDX-License-Identifier: Apache-2.0

// Package redistest runs real Redis and Valkey servers for tests: each in a
// directory of its own, and ended with the test.
package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// startTime is how long a server may take until it answers.
const startTime = 2 * time.Minute

// Redis returns the path of redis-server. Without it the test is skipped, or
// fails with REQUIRE_ALL=1.
func Redis(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "redis-server is absent: apt-get install redis-server")
	}
	return path
}

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// A Server is a running server.
type Server struct {
	Addr   string // of a loopback port, unless it listens on a socket
	Socket string // path, unless it listens on a port

	t       *testing.T
	program string
	dir     string
	args    []string
	probe   probe // nil: answers
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
}

// Start starts a server on a socket, with directives such as "--appendonly yes".
// It starts empty, and keeps its data in a directory that goes with the test.
func Start(t *testing.T, program string, directives ...string) *Server {
	t.Helper()
	s := prepare(t, program, directives)
	s.Socket = filepath.Join(s.dir, "socket")
	s.args = append([]string{"--port", "0", "--unixsocket", s.Socket}, s.args...)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// StartTCP starts a server on a loopback port.
func StartTCP(t *testing.T, program string, directives ...string) *Server {
	t.Helper()
	return startOnPort(t, program, nil, func(_ *Server, port string) []string {
		return append([]string{"--port", port, "--bind", "127.0.0.1"}, directives...)
	})
}

// StartTLS starts a server that wants TLS on its loopback port.
func StartTLS(t *testing.T, program, cert, key string) *Server {
	t.Helper()
	return startOnPort(t, program, answersTLS, func(_ *Server, port string) []string {
		return []string{
			"--port", "0", "--bind", "127.0.0.1", "--tls-port", port,
			"--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
		}
	})
}

// StartSentinel starts a sentinel that watches a master.
func StartSentinel(t *testing.T, program, name, master string) *Server {
	t.Helper()
	return startOnPort(t, program, nil, func(s *Server, port string) []string {
		file := filepath.Join(s.dir, "sentinel.conf")
		host, masterPort, err := net.SplitHostPort(master)
		if err == nil {
			err = os.WriteFile(file, fmt.Appendf(nil, "port %s\nbind 127.0.0.1\nsentinel monitor %s %s %s 1\n", port, name, host, masterPort), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return []string{file, "--sentinel"}
	})
}

// startOnPort tries ports until one is free. Nil probe: answers.
func startOnPort(t *testing.T, program string, probe probe, args func(s *Server, port string) []string) *Server {
	t.Helper()
	var err error
	for range 20 {
		s := prepare(t, program, nil)
		// Below the ports that systems give to whoever asks for any.
		port := fmt.Sprint(20_000 + rand.IntN(12_000))
		s.Addr, s.probe = net.JoinHostPort("127.0.0.1", port), probe
		s.args = args(s, port)
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

func prepare(t *testing.T, program string, directives []string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, program: program, dir: dir, args: directives}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(program), s.log())
		}
		os.RemoveAll(dir)
	})
	return s
}

// URL is that of the server, as package store/redis takes it.
func (s *Server) URL() string {
	if s.Socket != "" {
		return "unix://" + s.Socket
	}
	return "redis://" + s.Addr
}

// Client returns a client for looking at what the server has.
func (s *Server) Client() *goredis.Client {
	s.t.Helper()
	o, err := goredis.ParseURL(s.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	client := goredis.NewClient(o)
	s.t.Cleanup(func() { client.Close() })
	return client
}

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

// Restart starts the server again after Kill, with what it has on disk.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	args := append(slices.Clone(s.args), "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"))
	if !slices.Contains(args, "--sentinel") {
		args = append(args, "--save", "")
	}
	s.cmd = exec.Command(s.program, args...)
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	if err := s.wait(); err != nil {
		s.Kill()
		return fmt.Errorf("%s does not start: %w\n%s", s.program, err, s.log())
	}
	return nil
}

// wait waits until the server has read its data. That it wants a password is an
// answer too.
func (s *Server) wait() error {
	network, addr := "tcp", s.Addr
	if s.Socket != "" {
		network, addr = "unix", s.Socket
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	ask := answers
	if s.probe != nil {
		ask = s.probe
	}
	for {
		if ask(ctx, network, addr) {
			select {
			case <-s.ended: // another server has the port
			default:
				return nil
			}
		}
		select {
		case <-s.ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond): // between two questions
		}
	}
}

// A probe reports whether a server answers.
type probe func(ctx context.Context, network, addr string) bool

// answersTLS shakes hands.
func answersTLS(ctx context.Context, network, addr string) bool {
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, network, addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func answers(ctx context.Context, network, addr string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, 100)
	n, err := conn.Read(reply)
	return err == nil && !strings.HasPrefix(string(reply[:n]), "-LOADING")
}

func (s *Server) log() string {
	data, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-1000):])
}

// BeCluster makes a server that was started with --cluster-enabled a cluster of
// one node.
func (s *Server) BeCluster() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	client := s.Client()
	if err := client.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		s.t.Fatal(err)
	}
	for {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			s.t.Fatal(err)
		}
		if strings.Contains(info, "cluster_state:ok") {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatal("the cluster is not up:", info)
		case <-time.After(10 * time.Millisecond): // between two questions
		}
	}
}
