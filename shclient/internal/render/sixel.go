// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"strings"
)

// maxSixel is the largest side of a sixel image: the encoding takes a byte for
// a column of six pixels and a colour.
const maxSixel = 1000

// shrink makes an image at most width wide, and at most maxSixel either way, by
// the mean of the pixels that become one.
func shrink(img image.Image, width int) *image.RGBA {
	bounds := img.Bounds()
	full := image.NewRGBA(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
	draw.Draw(full, full.Rect, img, bounds.Min, draw.Src)
	w, h := bounds.Dx(), bounds.Dy()
	if limit := min(width, maxSixel); w > limit {
		w, h = limit, max(1, h*limit/w)
	}
	if h > maxSixel {
		w, h = max(1, w*maxSixel/h), maxSixel
	}
	if w == bounds.Dx() && h == bounds.Dy() {
		return full
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			small.SetRGBA(x, y, mean(full, image.Rect(
				x*bounds.Dx()/w, y*bounds.Dy()/h,
				(x+1)*bounds.Dx()/w, (y+1)*bounds.Dy()/h)))
		}
	}
	return small
}

func mean(img *image.RGBA, r image.Rectangle) color.RGBA {
	var sum [4]int
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := img.RGBAAt(x, y)
			for i, v := range []uint8{c.R, c.G, c.B, c.A} {
				sum[i] += int(v)
			}
		}
	}
	n := max(1, r.Dx()*r.Dy())
	return color.RGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), uint8(sum[3] / n)}
}

// sixelImage encodes an image in at most 216 colours. Pixels that are more than
// half transparent are left to the background.
func sixelImage(img *image.RGBA) string {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	indexed := image.NewPaletted(img.Rect, palette.WebSafe)
	draw.FloydSteinberg.Draw(indexed, img.Rect, img, image.Point{})
	var b strings.Builder
	fmt.Fprintf(&b, "\x1bP0;1;0q\"1;1;%d;%d", w, h)
	for i, c := range palette.WebSafe {
		r, g, blue, _ := c.RGBA()
		fmt.Fprintf(&b, "#%d;2;%d;%d;%d", i, r*100/0xFFFF, g*100/0xFFFF, blue*100/0xFFFF)
	}
	for top := 0; top < h; top += 6 {
		sixelBand(&b, img, indexed, top)
		b.WriteByte('-')
	}
	b.WriteString("\x1b\\")
	return b.String()
}

// sixelBand writes six lines of pixels, colour by colour.
func sixelBand(b *strings.Builder, img *image.RGBA, indexed *image.Paletted, top int) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	columns := map[uint8][]byte{} // the pixels of each colour, as bits from the top
	for y := top; y < min(top+6, h); y++ {
		for x := range w {
			if img.RGBAAt(x, y).A < 128 {
				continue
			}
			c := indexed.ColorIndexAt(x, y)
			if columns[c] == nil {
				columns[c] = make([]byte, w)
			}
			columns[c][x] |= 1 << (y - top)
		}
	}
	first := true
	for c := range len(palette.WebSafe) {
		bits, used := columns[uint8(c)]
		if !used {
			continue
		}
		if !first {
			b.WriteByte('$') // back to the beginning of the band
		}
		first = false
		fmt.Fprintf(b, "#%d", c)
		sixelRuns(b, bits)
	}
}

// sixelRuns writes columns of pixels, shortened where they repeat.
func sixelRuns(b *strings.Builder, bits []byte) {
	for x := 0; x < len(bits); {
		n := 1
		for x+n < len(bits) && bits[x+n] == bits[x] {
			n++
		}
		char := '?' + bits[x]
		if n > 3 {
			fmt.Fprintf(b, "!%d%c", n, char)
		} else {
			b.WriteString(strings.Repeat(string(rune(char)), n))
		}
		x += n
	}
}
