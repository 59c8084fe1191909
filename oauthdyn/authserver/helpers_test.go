// SPDX-License-Identifier: Apache-2.0

package authserver_test

import "github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"

// noGrace makes each second use of a refresh token a replay.
func noGrace(o *authserver.Options) { o.RefreshGrace = -1 }
