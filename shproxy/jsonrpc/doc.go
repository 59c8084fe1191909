// SPDX-License-Identifier: Apache-2.0

// Package jsonrpc finds its way in one JSON-RPC 2.0 message without decoding
// it.
//
// A bridge that decodes a message and encodes it again changes it: numbers
// lose digits, members get another order, unknown members vanish. [Scan]
// instead validates the bytes of a frame and says where the few members are
// that a bridge has to read. [AppendSplice] replaces such a member and leaves
// every other byte as it was.
//
// The scanner is stricter than most decoders, because a frame that two
// programs could read differently must not pass between them: duplicate
// members at the levels that are read (the message, params and params._meta),
// invalid UTF-8, trailing bytes and nesting deeper than [MaxDepth] are errors.
// Member names are compared after decoding their escapes and with regard to
// case: "Method" is not "method".
//
// The message shapes are those of https://www.jsonrpc.org/specification as
// restricted by https://modelcontextprotocol.io/specification (basic
// protocol): an id is a string or a number, and null only in the answer to a
// message whose id could not be read.
package jsonrpc
