// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// picture has red on the left, blue on the right, and a transparent last row.
func picture(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h - 1 {
		for x := range w {
			img.Set(x, y, color.RGBA{R: 255, A: 255})
			if x >= w/2 {
				img.Set(x, y, color.RGBA{B: 255, A: 255})
			}
		}
	}
	return img
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	data, err := encodePNG(img)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestKitty(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 1000, 40))
	noise := rand.New(rand.NewPCG(1, 2)) // does not compress to one chunk
	for i := range img.Pix {
		img.Pix[i] = byte(noise.Uint32())
	}
	data := pngOf(t, img)
	got, err := Screen{Width: 80, Images: Kitty}.Image(data)
	if err != nil {
		t.Fatal(err)
	}
	chunks := regexp.MustCompile("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\").FindAllStringSubmatch(got, -1)
	if len(chunks) < 2 {
		t.Fatalf("%d chunks", len(chunks))
	}
	var payload, sequences string
	for i, c := range chunks {
		want := "m=1"
		if i == 0 {
			want = "a=T,f=100,q=2,c=80,m=1"
		} else if i == len(chunks)-1 {
			want = "m=0"
		}
		if c[1] != want || len(c[2]) > 4096 {
			t.Errorf("chunk %d has keys %q and %d bytes, want %q", i, c[1], len(c[2]), want)
		}
		sequences += c[0]
		payload += c[2]
	}
	if decoded, err := base64.StdEncoding.DecodeString(payload); err != nil || !bytes.Equal(decoded, data) {
		t.Errorf("the payload is not the picture: %v", err)
	}
	if got != sequences+"\n" {
		t.Error("there is something beside the sequences")
	}
}

func TestOtherFormatsBecomePNGForKitty(t *testing.T) {
	var asJPEG, asGIF bytes.Buffer
	if err := errors.Join(jpeg.Encode(&asJPEG, picture(4, 4), nil), gif.Encode(&asGIF, picture(4, 4), nil)); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"jpeg": asJPEG.Bytes(), "gif": asGIF.Bytes()} {
		got, err := Screen{Width: 80, Images: Kitty}.Image(data)
		payload, _, _ := strings.Cut(strings.TrimPrefix(got, "\x1b_Ga=T,f=100,q=2,m=0;"), "\x1b")
		decoded, _ := base64.StdEncoding.DecodeString(payload)
		if img, decodeErr := png.Decode(bytes.NewReader(decoded)); err != nil || decodeErr != nil || img.Bounds().Dx() != 4 {
			t.Errorf("%s: %q %v %v", name, got, err, decodeErr)
		}
	}
}

func TestITerm2(t *testing.T) {
	data := pngOf(t, picture(4, 2))
	got, err := Screen{Width: 80, Images: ITerm2}.Image(data)
	want := "\x1b]1337;File=inline=1;size=" + number(float64(len(data))) + ";:" + base64.StdEncoding.EncodeToString(data) + "\a\n"
	if err != nil || got != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
}

func TestSixel(t *testing.T) {
	got, err := Screen{Width: 80, Images: Sixel}.Image(pngOf(t, picture(10, 8)))
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(got, "#215;2;100;100;100")
	if !ok || !strings.HasPrefix(head, "\x1bP0;1;0q\"1;1;10;8#0;2;0;0;0") {
		t.Fatalf("head %q", head)
	}
	// Six full rows, and one more in the second band; blue is 5 and red 180.
	if want := "#5!5?!5~$#180!5~!5?-#5!5?!5@$#180!5@!5?-\x1b\\\n"; rest != want {
		t.Errorf("%q, want %q", rest, want)
	}
	wide, err := Screen{Width: 20, Images: Sixel}.Image(pngOf(t, picture(640, 8)))
	if err != nil || !strings.Contains(wide, `"1;1;160;2#`) {
		t.Errorf("a wide picture: %.40q %v", wide, err)
	}
}

func TestNoImage(t *testing.T) {
	bomb := pngOf(t, picture(2, 2))
	copy(bomb[16:], "\x00\x00\x80\x00\x00\x00\x80\x00") // 32768 × 32768, by its header
	for name, test := range map[string]struct {
		screen Screen
		data   []byte
	}{
		"no protocol": {Screen{Width: 80}, pngOf(t, picture(2, 2))},
		"no picture":  {Screen{Width: 80, Images: Kitty}, []byte("\x1b[2J")},
		"cut":         {Screen{Width: 80, Images: ITerm2}, pngOf(t, picture(20, 20))[:60]},
		"bomb":        {Screen{Width: 80, Images: Sixel}, bomb},
	} {
		got := test.screen.Content(&mcp.ImageContent{MIMEType: "image/\x1b[2Jpng", Data: test.data})
		if !strings.HasPrefix(got, "[image image/[2Jpng, ") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
