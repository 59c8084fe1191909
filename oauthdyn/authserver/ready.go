// SPDX-License-Identifier: Apache-2.0

package authserver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ready is nil if the server can serve: its store answers, and holds the signing
// keys. ctx bounds the time for that. The error wraps ErrStore.
func (s *Server) Ready(ctx context.Context) error {
	document, _, err := s.o.Store.LoadKeys(ctx)
	if err == nil && document == nil {
		err = errors.New("the signing keys are gone")
	}
	if err != nil {
		return fmt.Errorf("authserver: %w: %w", ErrStore, err)
	}
	return nil
}

// RevocationsRead is when Options.Revocations was last told of everything that
// the store knew; the zero time without Options.Revocations.
func (s *Server) RevocationsRead() time.Time {
	if s.o.Revocations == nil {
		return time.Time{}
	}
	return time.Unix(0, s.feed.read.Load())
}
