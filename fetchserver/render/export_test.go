// SPDX-License-Identifier: Apache-2.0

package render

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
