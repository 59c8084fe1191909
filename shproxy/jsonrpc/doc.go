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
// case. Many decoders fold case instead and would read {"Method": "x"} as the
// method that a bridge did not see. So a name that equals one of the protocol
// but for case (Unicode simple folding) is an error as well: at the top level
// and in params._meta always, in params where the method is one of MCP whose
// params a bridge reads (the name of a tool or a prompt, the uri of a
// resource, the id of a cancelled request). Params of other methods and the
// values below pass as they are. A NUL in a name at these levels is an error,
// because decoders exist that cut the name there.
//
// The message shapes are those of https://www.jsonrpc.org/specification as
// restricted by https://modelcontextprotocol.io/specification (basic
// protocol): an id is a string or a number, and null only in the answer to a
// message whose id could not be read.
package jsonrpc
