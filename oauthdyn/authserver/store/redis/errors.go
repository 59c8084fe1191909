// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// advice is what to do about errors of the server, by how they begin, and of
// the way to it; and whether they pass by themselves.
var advice = []struct {
	prefix, text string
	passing      bool
}{
	{"WRONGPASS", "the user or the password is wrong", false},
	{"NOAUTH", "the server wants a password", false},
	{"NOPERM", "the user may not do that; its ACL needs ~{PREFIX}:* and the commands of hashes, sorted sets, strings and scripts", false},
	{"OOM", "Redis has no memory left; raise maxmemory", false},
	{"MISCONF", "Redis cannot write to its disk", false},
	{"READONLY", "this is a replica; name the master, or a sentinel with master_name=", true},
	{"CLUSTERDOWN", "the cluster is down", true},
	{"MOVED", "this is a node of a cluster; add cluster=true to the URL", false},
	{"LOADING", "Redis is still reading its data; try again", true},
	{"BUSY ", "Redis is busy with the script of another program", true},
	{"ERR DB index is out of range", "the server does not have that database", false},
	{"ERR unknown command", "the server does not know a command that is needed; Redis 6 or Valkey is", false},
}

// explain adds to an error of the client what is to be done, and
// [store.ErrUnavailable] to one that passes by itself.
func explain(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "redis: ") {
		return err
	}
	for _, a := range advice {
		if !strings.HasPrefix(err.Error(), a.prefix) {
			continue
		}
		if a.passing {
			return unavailable(a.text, err)
		}
		return fmt.Errorf("redis: %s: %w", a.text, err)
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return unavailable("Redis or Valkey cannot be reached; does it run, and is the address right", err)
	}
	failed, ok := errors.AsType[net.Error](err)
	switch {
	case ok && failed.Timeout():
		return unavailable("the server did not answer in time", err)
	case ok, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return unavailable("the connection to the server broke", err)
	}
	return fmt.Errorf("redis: %w", err)
}

func unavailable(why string, err error) error {
	return passingError{fmt.Errorf("redis: %s: %w", why, err)}
}

// passingError is a [store.ErrUnavailable] that does not say so in words.
type passingError struct{ error }

func (e passingError) Unwrap() []error { return []error{e.error, store.ErrUnavailable} }
