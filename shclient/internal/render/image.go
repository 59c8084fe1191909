// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // the formats that are shown: GIF,
	_ "image/jpeg" // JPEG,
	"image/png"    // and PNG
	"strings"
)

// ImageProtocol is how a terminal takes images.
type ImageProtocol uint8

// The protocols that terminals of today have.
const (
	NoImages ImageProtocol = iota
	Kitty                  // https://sw.kovidgoyal.net/kitty/graphics-protocol/
	ITerm2                 // https://iterm2.com/documentation-images.html
	Sixel                  // VT340, as xterm, foot, mlterm, Windows Terminal and tmux have it
)

const (
	// maxPixels bounds the images that are decoded: a few bytes may claim to be
	// more than memory holds.
	maxPixels = 16 << 20

	// cellWidth is the width of a column in pixels where it does not matter much.
	cellWidth = 8

	kittyChunk = 4096 // bytes of base64 in one escape sequence
)

// ErrNoImage is the error for a screen that takes no images.
var ErrNoImage = errors.New("the terminal shows no images")

// Image returns what makes the screen show a PNG, JPEG or GIF, no wider than
// the screen, with a line break after it. Nothing of the data gets to the
// terminal but pixels.
func (s Screen) Image(data []byte) (string, error) {
	if s.Images == NoImages {
		return "", ErrNoImage
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("image: %w", err)
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxPixels/config.Height {
		return "", fmt.Errorf("image: %d × %d pixels are too many", config.Width, config.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("image: %w", err)
	}
	columns := 0 // to squeeze the image into
	if s.Width > 0 && config.Width > s.Width*cellWidth {
		columns = s.Width
	}
	switch s.Images {
	case Kitty:
		if format != "png" {
			if data, err = encodePNG(img); err != nil {
				return "", err
			}
		}
		return kittyImage(data, columns), nil
	case ITerm2:
		return iterm2Image(data, columns), nil
	default:
		return sixelImage(shrink(img, max(s.Width, 10)*cellWidth)) + "\n", nil
	}
}

func encodePNG(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

func kittyImage(data []byte, columns int) string {
	rest := base64.StdEncoding.EncodeToString(data)
	keys := "a=T,f=100,q=2," // transmit and show, PNG, no answer
	if columns > 0 {
		keys += fmt.Sprintf("c=%d,", columns)
	}
	var b strings.Builder
	for more := 1; more == 1; keys = "" {
		chunk := rest[:min(len(rest), kittyChunk)]
		if rest = rest[len(chunk):]; rest == "" {
			more = 0
		}
		fmt.Fprintf(&b, "\x1b_G%sm=%d;%s\x1b\\", keys, more, chunk)
	}
	return b.String() + "\n"
}

func iterm2Image(data []byte, columns int) string {
	size := ""
	if columns > 0 {
		size = fmt.Sprintf("width=%d;", columns)
	}
	return fmt.Sprintf("\x1b]1337;File=inline=1;size=%d;%s:%s\a\n", len(data), size, base64.StdEncoding.EncodeToString(data))
}
