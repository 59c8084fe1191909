// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package redistest

// Stop skips the test: there are no such signals.
func (s *Server) Stop() { s.t.Skip("a process cannot be stopped here") }

// Continue ends Stop.
func (s *Server) Continue() {}
