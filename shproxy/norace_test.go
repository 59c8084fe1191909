// SPDX-License-Identifier: Apache-2.0

//go:build !race

package shproxy

// raceEnabled says that the race detector takes memory of its own.
const raceEnabled = false
