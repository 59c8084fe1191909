// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// maxSameName bounds the numbers that make the name of a file unused.
const maxSameName = 1000

// saver keeps binary content in files, if it has a directory.
type saver struct {
	app *app
	dir string // empty: nothing is kept
}

// check makes sure that there is a directory before anything is asked: what a
// tool did once may not be done again to have its files.
func (s *saver) check() error {
	if s.dir == "" {
		return nil
	}
	info, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(s.dir, 0o700)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", s.dir)
	}
	return err
}

// content keeps an image, audio or a binary resource.
func (s *saver) content(name string, content mcp.Content) error {
	switch c := content.(type) {
	case *mcp.ImageContent:
		return s.save(name, c.MIMEType, c.Data)
	case *mcp.AudioContent:
		return s.save(name, c.MIMEType, c.Data)
	case *mcp.EmbeddedResource:
		if c.Resource != nil && c.Resource.Blob != nil {
			return s.save(nameOf(c.Resource.URI), c.Resource.MIMEType, c.Resource.Blob)
		}
	}
	return nil
}

// save writes a file that did not exist, and tells its name.
func (s *saver) save(name, mime string, data []byte) error {
	if s.dir == "" {
		return nil
	}
	stem, ext := fileName(name, mime)
	for n := range maxSameName {
		file := filepath.Join(s.dir, stem+ext)
		if n > 0 {
			file = filepath.Join(s.dir, fmt.Sprintf("%s-%d%s", stem, n, ext))
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(s.app.stderr, "saved %s (%s)\n", oneLine(file), render.Size(int64(len(data))))
		return nil
	}
	return fmt.Errorf("%s has %d files named %s already", s.dir, maxSameName, stem)
}

// nameOf is the last part of a URI that may name a file.
func nameOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "resource"
	}
	if name := path.Base(u.Path); name != "." && name != "/" {
		return name
	}
	return u.Host + u.Opaque
}

// extensions of the media types that tools return; others keep that of their
// name. The tables of the system differ from one to the next.
var extensions = map[string]string{
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/svg+xml": ".svg",
	"audio/wav": ".wav", "audio/x-wav": ".wav", "audio/mpeg": ".mp3", "audio/ogg": ".ogg",
	"application/pdf": ".pdf", "application/zip": ".zip", "application/json": ".json", "text/plain": ".txt",
}

// fileName makes a stranger's name one that is safe in any directory: no path,
// no leading dot, and only letters, digits, dots, dashes and underscores.
func fileName(name, mime string) (stem, ext string) {
	const limit = 80
	name = strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r)) {
			return r
		}
		return '_'
	}, name)
	name = strings.Trim(name[:min(len(name), limit)], "._")
	ext = filepath.Ext(name)
	stem = strings.TrimSuffix(name, ext)
	if known := extensions[mime]; known != "" {
		ext = known
	} else if ext == "" {
		ext = ".bin"
	}
	if stem == "" {
		stem = "content"
	}
	return stem, ext
}
