// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"net"
	"net/url"
)

// DialContext connects to a host and port under the client's rules: the host
// must be one that may be fetched from, and each address it leads to is judged
// when it is about to be connected to. It is for programs that let others
// speak HTTP through them, such as a proxy in front of a browser. The network
// is "tcp", "tcp4" or "tcp6". The error is an *[Error].
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, classify(ctx, &url.URL{Host: address}, err)
	}
	return conn, nil
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dialer.DialContext(ctx, network, address)
}
