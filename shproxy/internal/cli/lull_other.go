// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package cli

import (
	"errors"
	"net"
)

// refuseNew is for Linux only.
func refuseNew(net.Listener) error { return errors.ErrUnsupported }
