// SPDX-License-Identifier: Apache-2.0

package child

import "sync/atomic"

var strays atomic.Int64

// Strays counts the processes, of this whole program, that had left the group
// of the child that they came from and were killed after its end. There are
// none without [Subreaper].
func Strays() int64 { return strays.Load() }
