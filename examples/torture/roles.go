// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// The roles that this program plays when its first argument names one. The
// second is the marker of the run, by which its processes are found again.
const (
	roleServer = "server" // the server that is wrapped
	roleOrphan = "orphan" // a process that the server has forked
	roleDaemon = "daemon" // the same, by way of a process that ends at once

	roleCounter = "counter" // the server that is wrapped by replicas
)

func isRole(name string) bool {
	return name == roleServer || name == roleOrphan || name == roleDaemon || name == roleCounter
}

// play returns the exit code.
func play(args []string, stdin, stdout, stderr *os.File) (int, error) {
	if len(args) != 2 {
		return exitUsage, errors.New("a role takes one argument, the marker of the run")
	}
	switch role, marker := args[0], args[1]; role {
	case roleServer:
		return serve(marker, stdin, stdout, stderr), nil
	case roleCounter:
		return count(stdin, stdout), nil
	case roleDaemon:
		cmd := exec.Command(os.Args[0], roleOrphan, marker)
		cmd.Stdout, cmd.Stderr = stdout, stderr
		ownSession(cmd)
		return exitOK, cmd.Start()
	default:
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(lifetime)
		return exitOK, nil
	}
}
