// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package service

// monotonicMicroseconds is for systemd, which is not there.
func monotonicMicroseconds() int64 { return 0 }
