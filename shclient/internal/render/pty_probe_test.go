// SPDX-License-Identifier: Apache-2.0

package render

import _ "github.com/creack/pty"
