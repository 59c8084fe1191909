// SPDX-License-Identifier: Apache-2.0

//go:build race

package extract_test

const (
	scale       = 20
	raceEnabled = true
)
