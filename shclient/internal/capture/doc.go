// SPDX-License-Identifier: Apache-2.0

// Package capture keeps what a client and a server said to each other, plays the
// client's side to another server, and tells captures and servers apart.
//
//	Writer, Read   a capture: NDJSON, a header and a line for each message
//	Redactor       takes secrets out of messages
//	Record         forwards between a client and a server, and writes a capture
//	Replay         says again what the client said, and compares the answers
//	Surface        what a server offers: tools, prompts, resources
//	Compare        the differences of two surfaces; Exchanges, of two captures
package capture
