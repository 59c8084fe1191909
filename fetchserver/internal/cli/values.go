// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// byteSize is a flag for a number of bytes, such as 10MiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"k", 1 << 10}, {"K", 1 << 10}, {"m", 1 << 20}, {"M", 1 << 20}, {"g", 1 << 30}, {"G", 1 << 30},
	{"B", 1},
}

func (b *byteSize) Set(s string) error {
	number, factor := s, 1.0
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(s, unit.suffix); ok {
			number, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(n) || n*factor < -1 || n*factor > math.MaxInt64/2 {
		return errors.New("want a number of bytes like 10MiB")
	}
	*b = byteSize(n * factor)
	return nil
}

func (b *byteSize) String() string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		size := byteSize(0)
		_ = size.Set("1" + unit)
		if *b >= size && *b%size == 0 {
			return fmt.Sprintf("%d%s", *b/size, unit)
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type is a word that package configfile knows.
func (*byteSize) Type() string { return "SIZE" }

// choice is a flag with a few possible words.
type choice struct {
	value string
	words []string
}

func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return errors.New("want " + strings.Join(c.words, " or "))
	}
	c.value = s
	return nil
}

func (c *choice) String() string { return c.value }
func (*choice) Type() string     { return "WORD" }
