// SPDX-License-Identifier: Apache-2.0

package era

import (
	"crypto/sha256"

	"github.com/atrawog/mcp-oauth-gateway/shproxy/jsonrpc"
)

// Profile is what a client says of itself: in initialize in the legacy era,
// with every request in the modern one. Both are raw JSON objects.
type Profile struct {
	Capabilities []byte // clientCapabilities
	Info         []byte // clientInfo; nil if the client does not say
}

// ProfileOf reads the profile from the _meta of a modern request. It shares
// memory with the frame. ok is false if the capabilities, which are required,
// are missing.
func ProfileOf(frame []byte, m jsonrpc.Message) (p Profile, ok bool) {
	for name, value := range jsonrpc.Members(frame, m.Meta) {
		switch {
		case !isObject(frame, value):
		case jsonrpc.Is(frame, name, jsonrpc.MetaClientCapabilities):
			p.Capabilities = value.Of(frame)
		case jsonrpc.Is(frame, name, jsonrpc.MetaClientInfo):
			p.Info = value.Of(frame)
		}
	}
	return p, p.Capabilities != nil
}

// Key is the same for profiles that are the same, byte for byte.
func (p Profile) Key() string {
	var room [256]byte
	hash := sha256.Sum256(append(append(append(room[:0], p.Capabilities...), 0), p.Info...))
	return string(hash[:])
}

// Clone returns a copy that shares no memory.
func (p Profile) Clone() Profile {
	return Profile{append([]byte(nil), p.Capabilities...), append([]byte(nil), p.Info...)}
}

// AppendMeta appends the _meta of a modern request of the client to dst.
func (p Profile) AppendMeta(dst []byte) []byte {
	dst = append(dst, `{"`+jsonrpc.MetaProtocolVersion+`":"`+Modern+`"`...)
	if len(p.Info) > 0 {
		dst = append(dst, `,"`+jsonrpc.MetaClientInfo+`":`...)
		dst = append(dst, p.Info...)
	}
	dst = append(dst, `,"`+jsonrpc.MetaClientCapabilities+`":`...)
	if len(p.Capabilities) == 0 {
		return append(dst, `{}}`...)
	}
	return append(append(dst, p.Capabilities...), '}')
}

// The requests of a server to its client.
const (
	methodElicit   = "elicitation/create"
	methodSampling = "sampling/createMessage"
	methodRoots    = "roots/list"
)

// Asked reports whether the client takes any request of a server.
func (p Profile) Asked() bool {
	return p.has("elicitation") || p.has("sampling") || p.has("roots")
}

func (p Profile) has(path ...string) bool {
	return isObject(p.Capabilities, lookup(p.Capabilities, whole(p.Capabilities), path...))
}

// takes reports whether the client has declared the capability that the
// request of a server needs.
func (p Profile) takes(method string, frame []byte, params jsonrpc.Span) bool {
	switch method {
	case methodSampling:
		return p.has("sampling")
	case methodRoots:
		return p.has("roots")
	case methodElicit:
		if textAt(frame, params, "mode") == "url" {
			return p.has("elicitation", "url")
		}
		// Without a mode, form is meant (2025-11-25, elicitation, "Capabilities").
		return p.has("elicitation", "form") || p.has("elicitation") && !p.has("elicitation", "url")
	}
	return false
}
