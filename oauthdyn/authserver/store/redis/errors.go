// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// advice is what to do about errors of the server, by how they begin, and of
// the way to it.
var advice = []struct{ prefix, text string }{
	{"WRONGPASS", "the user or the password is wrong"},
	{"NOAUTH", "the server wants a password"},
	{"NOPERM", "the user may not do that; its ACL needs ~{PREFIX}:* and the commands of hashes, sorted sets, strings and scripts"},
	{"OOM", "Redis has no memory left; raise maxmemory"},
	{"MISCONF", "Redis cannot write to its disk"},
	{"READONLY", "this is a replica; name the master, or a sentinel with master_name="},
	{"CLUSTERDOWN", "the cluster is down"},
	{"MOVED", "this is a node of a cluster; add cluster=true to the URL"},
	{"LOADING", "Redis is still reading its data; try again"},
	{"BUSY ", "Redis is busy with the script of another program"},
	{"ERR DB index is out of range", "the server does not have that database"},
	{"ERR unknown command", "the server does not know a command that is needed; Redis 6 or Valkey is"},
}

// explain adds to an error of the client what is to be done.
func explain(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "redis: ") {
		return err
	}
	for _, a := range advice {
		if strings.HasPrefix(err.Error(), a.prefix) {
			return fmt.Errorf("redis: %s: %w", a.text, err)
		}
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return fmt.Errorf("redis: the server cannot be reached; does it run, and is the address right? %w", err)
	}
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		return fmt.Errorf("redis: the server did not answer in time: %w", err)
	}
	return fmt.Errorf("redis: %w", err)
}
