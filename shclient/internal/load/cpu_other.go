// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package load

import "time"

// CPU is the processor time that this process has used; here it is not known.
func CPU() time.Duration { return 0 }
