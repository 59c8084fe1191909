// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package child

import (
	"errors"
	"os"
	"time"
)

// Subreaper is only possible on Linux; the error says so.
func Subreaper(func(chan<- os.Signal, ...os.Signal), func(chan<- os.Signal)) (stop func(), err error) {
	return nil, errors.New("orphans of the servers can only be adopted on Linux")
}

func mark(env []string) (marked []string, token string) { return env, "" }

func beginStart() (end func(pid int)) { return func(int) {} }

func forget(int) {}

func killStrays(string, time.Time) {}
