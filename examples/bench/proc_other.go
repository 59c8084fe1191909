// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"os"
	"os/exec"
	"time"
)

// Only Linux tells what a process costs by nothing but files; elsewhere the
// report says n/a. Grandchildren end there by seeing their stdin close.

type relative struct{ pid int }

func cpuTime([]int) (time.Duration, bool)            { return 0, false }
func residentBytes([]int) (own, tree int64, ok bool) { return 0, 0, false }
func peakBytes(*os.ProcessState) int64               { return 0 }
func selfUsage() (cpu time.Duration, peak int64)     { return 0, 0 }
func descendants(int) []relative                     { return nil }
func countAlive([]relative) int                      { return 0 }
func killAlive([]relative)                           {}
func dieWithUs(*exec.Cmd)                            {}
func machine() string                                { return "" }
