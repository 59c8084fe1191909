// SPDX-License-Identifier: Apache-2.0

package tracing

// Parts that tests change or call.
var (
	FlushTime  = &flushTime
	ReadConfig = readConfig
)

// Of a config.
func (c config) Endpoint() string           { return c.endpoint }
func (c config) Headers() map[string]string { return c.headers }
