// SPDX-License-Identifier: Apache-2.0

package pdf_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/pdf"
)

// The parser is compiled once for all tests and for those that come after.
var cacheDir = sync.OnceValue(func() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "fetchserver-test-pdf")
})

func newReader(t testing.TB, o pdf.Options) *pdf.Reader {
	t.Helper()
	o.CacheDir = cacheDir()
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Minute // for slow machines
	}
	r := pdf.New(&o)
	t.Cleanup(r.Close)
	return r
}

func read(t *testing.T, r *pdf.Reader, f *pdfFile) *pdf.Document {
	t.Helper()
	d, err := r.Text(t.Context(), f.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestText(t *testing.T) {
	r := newReader(t, pdf.Options{MaxPages: 20})
	body := []string{
		"This is the first paragraph of a text that has been set in lines of",
		"about the same length, as books have them, so that its lines have to",
		"be joined.",
	}
	second := []string{
		"Another paragraph shows what becomes of words that are divid-",
		"ed at the end of a line, of well-known compounds and of a well-",
		"known sign.",
	}
	for _, test := range []struct {
		name  string
		file  *pdfFile
		want  string
		empty int
	}{
		{"one line", newFile([]string{show("F1", 12, 72, 700, 14, "Hello, world")}), "Hello, world", 0},
		{
			"headings, paragraphs, divided words",
			newFile([]string{
				show("F1", 24, 72, 720, 28, "The title") + show("F1", 11, 72, 680, 13, body...) +
					show("F1", 15, 72, 620, 18, "A section") + show("F1", 11, 72, 590, 13, second...),
			}),
			"# The title\n\n" + strings.Join(body, " ") + "\n\n## A section\n\n" +
				"Another paragraph shows what becomes of words that are divided at the end of a line, of well-known compounds and of a well-known sign.",
			0,
		}, {
			"lists and short lines stay lines",
			newFile([]string{show("F1", 11, 72, 700, 13, "\x95 milk from the shop at the corner of the street", "\x95 bread", "Total 12", "Rest 7")}),
			"• milk from the shop at the corner of the street\n• bread\nTotal 12\nRest 7", 0,
		}, {
			"leaders", newFile([]string{show("F1", 11, 72, 700, 13, "Chapter one ............. 7")}), "Chapter one ... 7", 0,
		}, {
			"pages, one of them without text",
			newFile([]string{show("F1", 11, 72, 700, 13, "one"), "0 0 m 100 100 l S", show("F1", 11, 72, 700, 13, "three")}),
			"one\n\n--- page 2 ---\n\n--- page 3 ---\n\nthree", 1,
		}, {
			"WinAnsi", newFile([]string{show("F1", 11, 72, 700, 13, "caf\xe9 \x80 5 \x84quoted\x93")}), "café € 5 „quoted“", 0,
		}, {
			"ToUnicode",
			func() *pdfFile {
				f := newFile([]string{"BT /F2 12 Tf 72 700 Td <010203> Tj ET"}, "")
				cmap := "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n" +
					"1 begincodespacerange <00> <FF> endcodespacerange\n" +
					"3 beginbfchar <01> <0416> <02> <4E16> <03> <00660069> endbfchar\nendcmap end end"
				n := f.stream("", cmap)
				f.objects[3] = fmt.Sprintf("<<%s/FirstChar 0/ToUnicode %d 0 R>>", winAnsi, n)
				return f
			}(),
			"Ж世fi", 0,
		}, {"no text", newFile([]string{"0 0 m 100 100 l S"}), "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := read(t, r, test.file)
			if d.Text != test.want || d.Empty != test.empty || d.Truncated {
				t.Errorf("text, %d pages empty, truncated %v:\n%q\nwant %d empty:\n%q", d.Empty, d.Truncated, d.Text, test.empty, test.want)
			}
		})
	}
}

func TestProperties(t *testing.T) {
	f := newFile([]string{show("F1", 12, 72, 700, 14, "Hello")})
	info := f.add("<</Title(A report\\nin two lines)/Author<FEFF004A006F00730065>/CreationDate(D:20240229123456+02'00')>>")
	f.trailer = fmt.Sprintf("/Info %d 0 R", info)
	d := read(t, newReader(t, pdf.Options{}), f)
	if d.Title != "A report in two lines" || d.Author != "Jose" || !d.Created.Equal(time.Date(2024, 2, 29, 10, 34, 56, 0, time.UTC)) || d.Pages != 1 {
		t.Errorf("document = %+v", d)
	}
}

// TestFields has a form with a filled field and a note: both are part of what
// a reader sees.
func TestFields(t *testing.T) {
	f := newFile([]string{show("F1", 12, 72, 700, 14, "Name:")})
	appearance := f.stream("/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F1 3 0 R>>>>", show("F1", 12, 2, 5, 14, "Ada Lovelace"))
	field := f.add("<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Ada Lovelace)/Rect[120 695 320 715]/F 4/AP<</N %d 0 R>>>>", appearance)
	f.objects[4] = strings.Replace(f.objects[4], "/Contents", fmt.Sprintf("/Annots[%d 0 R]/Contents", field), 1)
	if d := read(t, newReader(t, pdf.Options{}), f); !strings.Contains(d.Text, "Ada Lovelace") {
		t.Errorf("text = %q", d.Text)
	}
}

func TestLimits(t *testing.T) {
	pages := []string{show("F1", 12, 72, 700, 14, "first"), show("F1", 12, 72, 700, 14, "second"), show("F1", 12, 72, 700, 14, "third")}
	d := read(t, newReader(t, pdf.Options{MaxPages: 2}), newFile(pages))
	if !d.Truncated || d.Pages != 3 || strings.Contains(d.Text, "third") || !strings.Contains(d.Text, "second") {
		t.Errorf("pages: %+v", d)
	}
	d = read(t, newReader(t, pdf.Options{MaxText: 9}), newFile(pages))
	if !d.Truncated || len(d.Text) > 9 || !strings.HasPrefix(d.Text, "first") {
		t.Errorf("bytes: %+v", d)
	}
}

func TestErrors(t *testing.T) {
	r := newReader(t, pdf.Options{})
	whole := newFile([]string{show("F1", 12, 72, 700, 14, "Hello")})
	secret := newFile([]string{show("F1", 12, 72, 700, 14, "Hello")})
	secret.encrypt("user", "owner")
	for _, test := range []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, pdf.ErrBroken},
		{"HTML", []byte("<html>%PDF"), pdf.ErrBroken},
		{"header only", []byte("%PDF-1.7\n"), pdf.ErrBroken},
		{"cut", whole.bytes()[:60], pdf.ErrBroken},
		{"encrypted", secret.bytes(), pdf.ErrEncrypted},
	} {
		if d, err := r.Text(t.Context(), test.body); !errors.Is(err, test.want) {
			t.Errorf("%s: document %+v, error %v, want %v", test.name, d, err, test.want)
		}
	}
	// Without its table of objects a file can be repaired.
	before, after, _ := strings.Cut(string(whole.bytes()), "xref\n0")
	_, trailer, _ := strings.Cut(after, "trailer")
	if d, err := r.Text(t.Context(), []byte(before+"trailer"+trailer)); err != nil || d.Text != "Hello" {
		t.Errorf("without xref: document %+v, error %v", d, err)
	}
}

// endless has a page that draws ten forms, each of which draws ten others, and
// so on.
func endless() *pdfFile {
	f := newFile([]string{"/X0 Do"})
	const depth = 18
	first := len(f.objects) + 1
	for i := range depth {
		next := show("F1", 12, 72, 700, 14, "deep")
		resources := "/Font<</F1 3 0 R>>"
		if i+1 < depth {
			next = strings.Repeat(fmt.Sprintf("/X%d Do ", i+1), 10)
			resources = fmt.Sprintf("/XObject<</X%d %d 0 R>>", i+1, first+i+1)
		}
		f.stream("/Type/XObject/Subtype/Form/BBox[0 0 612 792]/Resources<<"+resources+">>", next)
	}
	f.objects[4] = strings.Replace(f.objects[4], "/Font<<", fmt.Sprintf("/XObject<</X0 %d 0 R>>/Font<<", first), 1)
	return f
}

// TestHostile: a file that would take for ever is stopped, and the reader
// reads the next.
func TestHostile(t *testing.T) {
	r := newReader(t, pdf.Options{MaxMemory: 64 << 20})
	good := newFile([]string{show("F1", 12, 72, 700, 14, "Hello")})
	read(t, r, good) // has it started
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if d, err := r.Text(ctx, endless().bytes()); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, pdf.ErrTooComplex) {
		t.Errorf("endless: document %+v, error %v", d, err)
	}
	if d := read(t, r, good); d.Text != "Hello" {
		t.Errorf("afterwards: %+v", d)
	}
	if d, err := r.Text(t.Context(), append(good.bytes(), make([]byte, 80<<20)...)); !errors.Is(err, pdf.ErrTooComplex) {
		t.Errorf("larger than the memory: document %+v, error %v", d, err)
	}
	if d := read(t, r, good); d.Text != "Hello" {
		t.Errorf("afterwards: %+v", d)
	}
}

func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newReader(t, pdf.Options{Concurrent: 2, Idle: time.Nanosecond})
	good := newFile([]string{show("F1", 12, 72, 700, 14, "Hello")}).bytes()
	var all sync.WaitGroup
	for range 4 { // each may find that the parser has just been dropped
		all.Go(func() {
			if d, err := r.Text(t.Context(), good); err != nil || d.Text != "Hello" {
				t.Errorf("document %+v, error %v", d, err)
			}
		})
	}
	all.Wait()
	started := make(chan struct{})
	all.Go(func() {
		close(started)
		if _, err := r.Text(t.Context(), endless().bytes()); !errors.Is(err, pdf.ErrClosed) && !errors.Is(err, pdf.ErrTooComplex) {
			t.Errorf("closed while it reads: %v", err)
		}
	})
	<-started
	r.Close()
	all.Wait()
	if _, err := r.Text(t.Context(), good); !errors.Is(err, pdf.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	r.Close()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// A caller that gives up does not wait for the parser to start.
func TestCancelled(t *testing.T) {
	r := newReader(t, pdf.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Text(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestCacheDirUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := pdf.New(&pdf.Options{CacheDir: file})
	defer r.Close()
	if _, err := r.Text(t.Context(), []byte("%PDF-")); err == nil || !strings.Contains(err.Error(), "cache directory") {
		t.Errorf("error = %v", err)
	}
}

func FuzzText(f *testing.F) {
	for _, file := range []*pdfFile{
		newFile([]string{show("F1", 24, 72, 720, 28, "Title") + show("F1", 11, 72, 680, 13, "divid-", "ed words")}),
		newFile([]string{"BT /F2 12 Tf 72 700 Td <010203> Tj ET", ""}, winAnsi),
	} {
		f.Add(file.bytes())
	}
	r := newReader(f, pdf.Options{MaxMemory: 64 << 20, MaxPages: 50, MaxText: 1 << 20, Timeout: 500 * time.Millisecond})
	if _, err := r.Text(f.Context(), nil); !errors.Is(err, pdf.ErrBroken) { // has it started
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := r.Text(t.Context(), body)
		switch {
		case err == nil && len(d.Text) > 1<<20:
			t.Errorf("text of %d bytes", len(d.Text))
		case err == nil, errors.Is(err, pdf.ErrBroken), errors.Is(err, pdf.ErrEncrypted), errors.Is(err, pdf.ErrTooComplex), errors.Is(err, context.DeadlineExceeded):
		default:
			t.Error(err)
		}
	})
}
