// SPDX-License-Identifier: Apache-2.0

// Package observability holds what watches the gateway; see the README and the
// test.
package observability
