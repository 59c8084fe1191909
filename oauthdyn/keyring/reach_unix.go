// SPDX-License-Identifier: Apache-2.0

//go:build unix && !darwin

package keyring

import (
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"
)

// reachable tells whether there is a D-Bus session, in which a Secret Service
// would be. Without one the module would start a session of its own, where
// nothing is, and nobody ends it.
func reachable() error {
	conn, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return fmt.Errorf("there is no D-Bus session, and so no Secret Service: %w", err)
	}
	return conn.Close()
}

// explain says what the module's text for a keyring that stays locked means.
func explain(err error) error {
	if err != nil && strings.Contains(err.Error(), "failed to unlock") {
		return fmt.Errorf("it is locked, or there is none yet, and nobody gave a password: %w", err)
	}
	return err
}
