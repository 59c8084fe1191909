// SPDX-License-Identifier: Apache-2.0

package render

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
)

// PID returns the process id of the running Chromium, or 0.
func (b *Browser) PID() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.current; i != nil && !i.ended() {
		select {
		case <-i.ready:
			return i.process.pid
		default:
		}
	}
	return 0
}

// ProxyAddress returns where the proxy listens.
func (b *Browser) ProxyAddress() string { return b.proxy.listener.Addr().String() }

// Contexts returns how many browser contexts there are, of pages that are not
// gone.
func (b *Browser) Contexts(ctx context.Context) (int, error) {
	b.mu.Lock()
	i := b.current
	b.mu.Unlock()
	found, err := cdp.Call(ctx, session{conn: i.process.conn}, target.GetBrowserContexts, cdp.Empty{})
	return len(found.BrowserContextIDs), err
}
