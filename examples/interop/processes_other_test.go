// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package interop_test

// Without /proc, nobody tells the environment of a process.
const canFindProcesses = false

func markedProcesses(string) map[int]string { return nil }
