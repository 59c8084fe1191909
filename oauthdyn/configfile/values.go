// SPDX-License-Identifier: Apache-2.0

package configfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Size is the value of a flag for a number of bytes, such as 512MiB. In the file
// it may also be a number.
type Size int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"k", 1 << 10}, {"K", 1 << 10}, {"m", 1 << 20}, {"M", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30},
	{"B", 1},
}

// Set takes a number, which may have a fraction, with or without a unit: B; KiB,
// MiB, GiB, TiB; kB, KB, MB, GB, TB (powers of 1000); k, m, g in either case
// (powers of 1024).
func (b *Size) Set(s string) error {
	number, factor := s, 1.0
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(s, unit.suffix); ok {
			number, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(n) || n*factor < -1 || n*factor > math.MaxInt64/2 {
		return errors.New("want a number of bytes like 64MiB")
	}
	*b = Size(n * factor)
	return nil
}

// String is what Set takes: in GiB, MiB or KiB if that leaves no fraction, else in
// bytes.
func (b *Size) String() string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		size := Size(0)
		_ = size.Set("1" + unit)
		if *b >= size && *b%size == 0 {
			return fmt.Sprintf("%d%s", *b/size, unit)
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type is a word by which [Read] knows sizes.
func (*Size) Type() string { return "SIZE" }

// Choice is the value of a flag with a few possible words.
type Choice struct {
	Value string   // at first the default
	Words []string // that are possible
}

// Set takes one of the words.
func (c *Choice) Set(s string) error {
	if !slices.Contains(c.Words, s) {
		return errors.New("want " + strings.Join(c.Words, " or "))
	}
	c.Value = s
	return nil
}

// String is the word.
func (c *Choice) String() string { return c.Value }

// Type is WORD.
func (*Choice) Type() string { return "WORD" }
