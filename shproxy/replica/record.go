// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
)

// State tells whether a replica takes newcomers.
type State string

// The states of a replica.
const (
	StateServing  State = "serving"
	StateDraining State = "draining" // it will end, and serves what it has

	stateEnded State = "ended" // it serves nothing any more
)

// record is what a replica tells of itself.
type record struct {
	Protocol string `json:"protocol"`
	Name     string `json:"name"`
	Address  string `json:"address"` // where the others reach it
	State    State  `json:"state"`
	Sessions int    `json:"sessions"`
	// Count grows with each record of a replica. One that does not is not
	// from a living replica.
	Count int64 `json:"count"`
}

// maxRecord bounds a record, in bytes.
const maxRecord = 4 << 10

// nameLength is that of a name: 80 random bits.
const nameLength = 16

// nameChars are those of names (RFC 4648 base32, in lower case).
const nameChars = "abcdefghijklmnopqrstuvwxyz234567"

func newName() string { return strings.ToLower(rand.Text()[:nameLength]) }

// owner is the name with which a session id begins; ok is false if it does not
// begin with a name.
func owner(id string) (name string, ok bool) {
	name, _, ok = strings.Cut(id, ".")
	return name, ok && isName(name)
}

func isName(name string) bool {
	return len(name) == nameLength && strings.Trim(name, nameChars) == ""
}

// encode writes the record: its code, a dot, JSON.
func (r *record) encode(k *keys) []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err) // there is nothing in it that could not be encoded
	}
	return append([]byte(k.mac(data)+"."), data...)
}

var (
	errForged   = errors.New("it was not made with the key of this replica")
	errProtocol = errors.New("its replica is of another version")
)

// decode reads the record of a replica.
func (k *keys) decode(name string, encoded []byte) (record, error) {
	var r record
	if len(encoded) > maxRecord {
		return r, fmt.Errorf("it has more than %d bytes", maxRecord)
	}
	code, data, _ := bytes.Cut(encoded, []byte("."))
	if !hmac.Equal(code, []byte(k.mac(data))) {
		return r, errForged
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	switch {
	case r.Protocol != protocol:
		return r, errProtocol
	case r.Name != name || !isName(name):
		return r, fmt.Errorf("it is that of %q", r.Name)
	}
	_, _, err := net.SplitHostPort(r.Address)
	return r, err
}
