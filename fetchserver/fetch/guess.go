// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// guessWindow bounds the sample of a body that a guess is made from, in bytes.
const guessWindow = 64 << 10

// sampleOf leaves out what is ASCII in every candidate: of a stretch of ASCII
// only the beginning stays, which may belong to the character before.
func sampleOf(body []byte) []byte {
	const stretch = 4
	var sample []byte
	ascii := stretch
	for _, b := range body {
		if len(sample) >= guessWindow {
			break
		}
		if b >= utf8.RuneSelf {
			ascii = 0
		} else if ascii++; ascii > stretch {
			continue
		} else if ascii == stretch {
			b = '\n'
		}
		sample = append(sample, b)
	}
	return sample
}

// A candidate is an encoding in which a language would be recognised.
type candidate struct {
	encoding, language string
	script             *unicode.RangeTable
	// common are the most frequent letters or characters of the language, and
	// share is the part that they must have of all of its script. Where the
	// encoding is wrong they have far less.
	common string
	share  float64
}

const (
	cyrillic    = "оеаинтсрвл"
	traditional = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得于着下自之年過發後作里用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實日網資新公市文"
	simplified  = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日网资新公市文"
	hangul      = "이다는에의가을를고하은기로지사도한서자인아리어나대시정일그과해들부으수니스제보있라게것만장전상주원구성유적여"
)

var candidates = []candidate{
	{"shift_jis", "Japanese", kana, "", 0.25},
	{"euc-jp", "Japanese", kana, "", 0.25},
	{"euc-kr", "Korean", unicode.Hangul, hangul, 0.35},
	{"gbk", "Chinese", unicode.Han, simplified, 0.2},
	{"big5", "Chinese", unicode.Han, traditional, 0.2},
	{"windows-1251", "a Cyrillic script", unicode.Cyrillic, cyrillic, 0.45},
	{"koi8-r", "a Cyrillic script", unicode.Cyrillic, cyrillic, 0.45},
	{"iso-8859-5", "a Cyrillic script", unicode.Cyrillic, cyrillic, 0.45},
	{"windows-1253", "Greek", unicode.Greek, "αοιετσνηυρ", 0.5},
	{"windows-1255", "Hebrew", unicode.Hebrew, "יוהלאמרתבנ", 0.5},
	{"windows-1256", "Arabic", unicode.Arabic, "اليمونرتبة", 0.5},
}

// kana are the letters that only Japanese has. Half-width ones are left out:
// nearly any bytes are half-width letters in Shift_JIS.
var kana = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x3041, Hi: 0x3096, Stride: 1}, {Lo: 0x30A1, Hi: 0x30FC, Stride: 1}}}

// minGuess is how many characters of a script make a guess certain.
const minGuess = 12

// guess names the encoding of a body that is not valid UTF-8 and that nobody
// declared: UTF-8 with a few broken places; a language that is certain to be
// recognised; or what browsers take in the page's language, which is
// windows-1252 for most.
func guess(body []byte, lang string) (name, source string) {
	if nearlyUTF8(body) {
		return "utf-8", "being nearly valid"
	}
	sample := sampleOf(body)
	best := 0.0
	for _, c := range candidates {
		if score := c.score(sample); score > best {
			best, name, source = score, c.encoding, "a guess, as "+c.language
		}
	}
	if name != "" {
		return name, source
	}
	if name = languageDefault(strings.ToLower(lang), sample); name != "" {
		return name, "the language of the page"
	}
	return "windows-1252", "default"
}

func nearlyUTF8(body []byte) bool {
	broken, multibyte := 0, 0
	for b := body; len(b) > 0; {
		if b[0] < utf8.RuneSelf {
			b = b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			broken++
		} else {
			multibyte++
		}
		b = b[size:]
	}
	return multibyte > 4*broken
}

// score returns how well a sample reads in the candidate's encoding: 0, or by
// how much the share of common characters exceeds what is demanded.
func (c *candidate) score(sample []byte) float64 {
	enc, _ := charset.Lookup(c.encoding)
	text, err := enc.NewDecoder().Bytes(sample)
	if err != nil {
		return 0
	}
	var all, letters, script, common, broken, runs int
	inRun := false
	for _, r := range string(text) {
		if r < utf8.RuneSelf {
			inRun = false
			continue
		}
		all++
		if r == utf8.RuneError || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Cc, r) {
			broken++
			continue
		}
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if !unicode.Is(c.script, r) {
			continue
		}
		script++
		if !inRun {
			runs++
			inRun = true
		}
		if c.common == "" || strings.ContainsRune(c.common, r) {
			common++
		}
	}
	enough := 0.8 // of the letters must be of the script
	if c.script == kana {
		enough, script = 0, letters
	}
	switch {
	case script < minGuess || broken*50 > letters || script*5 < all*3, float64(script) < enough*float64(letters):
		return 0
	case len(c.common) > 0 && c.script != unicode.Han && c.script != unicode.Hangul && script < 3*runs:
		return 0 // single letters between others are accents of a Latin script
	}
	share := float64(common) / float64(script)
	if share < c.share {
		return 0
	}
	return share / c.share
}

// languageDefault is the "suggested default encoding" of the HTML standard for
// a language, if the sample can be read in it.
func languageDefault(lang string, sample []byte) string {
	primary, region, _ := strings.Cut(lang, "-")
	name := ""
	switch primary {
	case "ja":
		name = "shift_jis"
	case "ko":
		name = "euc-kr"
	case "zh":
		name = "gbk"
		if strings.Contains(region, "hant") || strings.Contains(region, "tw") || strings.Contains(region, "hk") {
			name = "big5"
		}
	case "ba", "be", "bg", "kk", "ky", "mk", "ru", "sah", "sr", "tg", "tt", "uk":
		name = "windows-1251"
	case "ar", "fa":
		name = "windows-1256"
	case "el":
		name = "iso-8859-7"
	case "he":
		name = "windows-1255"
	case "th":
		name = "windows-874"
	case "tr", "az", "ku":
		name = "windows-1254"
	case "et", "lt", "lv":
		name = "windows-1257"
	case "vi":
		name = "windows-1258"
	case "cs", "hr", "hu", "pl", "ro", "sk", "sl":
		// The standard is divided between the two, which differ where one has
		// control characters.
		name = "iso-8859-2"
		if hasC1(sample) {
			name = "windows-1250"
		}
	default:
		return ""
	}
	enc, _ := charset.Lookup(name)
	text, err := enc.NewDecoder().Bytes(sample)
	if err != nil || bytes.Count(text, []byte("\uFFFD"))*20 > len(text) {
		return ""
	}
	return name
}

func hasC1(sample []byte) bool {
	for _, b := range sample {
		if b >= 0x80 && b < 0xA0 {
			return true
		}
	}
	return false
}
