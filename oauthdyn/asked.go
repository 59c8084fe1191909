// SPDX-License-Identifier: Apache-2.0

package oauthdyn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// askedKey names the record of when a person was asked to sign in.
func (c *Client) askedKey() string { return "asked " + c.cfg.target() + " " + c.cfg.self() }

// mayAsk returns an error if a person was asked not long ago, by this program or
// by another one that shares the store, and has not signed in. The caller holds
// the lock of the grant, so that nobody is just about to.
func (c *Client) mayAsk(ctx context.Context) error {
	pause := c.cfg.AskPause
	if pause == 0 {
		return nil
	}
	record, err := c.store.Load(ctx, c.askedKey())
	if errors.Is(err, ErrNoCredentials) {
		return nil
	}
	if err != nil {
		return err
	}
	// By the wall clock, which may have been set back since.
	since := time.Now().Round(0).Sub(record.Asked)
	if since >= pause || since < -clockTolerance {
		return nil
	}
	text := fmt.Sprintf("a person was asked %v ago and has not signed in; the next time is in %v", max(since, 0).Round(time.Second), (pause - since).Round(time.Second))
	if c.cfg.SignInHint != "" {
		text += "; " + c.cfg.SignInHint
	}
	return fmt.Errorf("%w: %s", ErrNotSignedIn, text)
}

// asking notes that a person is asked now. It is saved before anybody sees a
// page: the program may be killed while it waits.
func (c *Client) asking(ctx context.Context) {
	if c.cfg.AskPause == 0 {
		return
	}
	if err := c.store.Save(ctx, c.askedKey(), &Credentials{Asked: time.Now().Round(0).UTC()}); err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "it could not be noted that a person is asked", slog.Any("error", err))
	}
}

// answered forgets when a person was asked.
func (c *Client) answered(ctx context.Context) {
	if c.cfg.AskPause == 0 || c.flow.unattended() {
		return
	}
	if err := c.store.Delete(context.WithoutCancel(ctx), c.askedKey()); err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "it could not be forgotten that a person was asked", slog.Any("error", err))
	}
}
