// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
)

// A Notifier tells the service manager that has started the program how it is,
// by the protocol of sd_notify(3), for which systemd's services of Type=notify and
// Type=notify-reload wait. The nil Notifier tells nobody. Its methods do not wait
// for anybody, and may be called at the same time.
type Notifier struct {
	socket string
	log    *slog.Logger
}

// NewNotifier returns a notifier for the socket that the variable NOTIFY_SOCKET
// names, a path, or an abstract address if it begins with @; lookup is usually
// [os.LookupEnv]. Without the variable nobody wants to know, and the notifier is
// nil. What cannot be told is a warning in log: it is no reason to stop.
func NewNotifier(lookup func(name string) (string, bool), log *slog.Logger) *Notifier {
	socket, _ := lookup("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	return &Notifier{socket: socket, log: log}
}

// Ready tells that the program serves; also after [Notifier.Reloading].
func (n *Notifier) Ready() { n.tell("READY=1") }

// Reloading tells that the program reads its files again.
func (n *Notifier) Reloading() {
	state := "RELOADING=1"
	if now := monotonicMicroseconds(); now > 0 {
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", now)
	}
	n.tell(state)
}

// Stopping tells that the program comes to its end.
func (n *Notifier) Stopping() { n.tell("STOPPING=1") }

func (n *Notifier) tell(state string) {
	if n == nil {
		return
	}
	if err := send(n.socket, state); err != nil {
		first, _, _ := strings.Cut(state, "\n")
		n.log.LogAttrs(context.Background(), slog.LevelWarn, "the service manager could not be told",
			slog.String("state", first), slog.String("error", err.Error()))
	}
}

func send(socket, state string) error {
	if socket[0] != '/' && socket[0] != '@' {
		return fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor an abstract address", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}
