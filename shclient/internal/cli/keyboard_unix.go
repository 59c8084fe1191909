// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package cli

const keyboardName = "/dev/tty"
