// SPDX-License-Identifier: Apache-2.0

package child

import (
	"time"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Limits bound what a child may take.
type Limits struct {
	Memory    int64
	OpenFiles int
	CPU       time.Duration
}

// Supported reports whether the system has such limits.
func (l Limits) Supported() bool { return false }

// Queue queues one frame for the child.
func (c *Child) Queue(frame []byte, edits ...jsonrpc.Edit) (end int64, err error) {
	return 0, c.out.send(frame, edits...)
}

// Written is how much of its input the child has taken.
func (c *Child) Written() int64 { return 0 }

// Queued is how much waits for the child.
func (c *Child) Queued() int { return 0 }

// Tail is what the child wrote to stderr last.
func (c *Child) Tail() string { return "" }

// Noise counts lines that were no messages.
func (c *Child) Noise() int64 { return 0 }

// Strays counts processes that had to be killed after their child's end.
func Strays() int64 { return 0 }
