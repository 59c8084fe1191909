// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package exposition

func procfs(*Writer) {}
