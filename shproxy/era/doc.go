// SPDX-License-Identifier: Apache-2.0

// Package era translates between the two eras of the Model Context Protocol.
//
// Legacy versions (2024-11-05 to 2025-11-25) open with initialize, after
// which client and server remember what they agreed on, and a server may send
// requests of its own. Since MCP 2026-07-28, the first modern version, every
// request says all that the server has to know, and a server that needs
// something from the client answers with what it needs.
//
//	                 legacy server     modern server
//	legacy client    nothing to do     ToModern
//	modern client    ToLegacy          nothing to do
//
// A translator stands between one client and one server, both of which see a
// peer of their own era. It is a state machine over frames: messages of either
// side go in with FromClient and FromServer, and what is to be sent comes out
// in an [Output]. It does no I/O, starts no goroutine and reads no clock, so
// whoever owns it decides about transports and time: the
// time is passed in, and Tick called when Due says so. What it holds is bounded.
//
// Frames have passed [jsonrpc.Scan]. Bytes that mean the same in both eras
// stay as they were; the ids that the server sees are the translator's own.
//
// What becomes of each method and notification, and what cannot cross, is
// listed in docs/eras.md of the module. The eras are those of
// https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning.
package era
