// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// screen is what is known of the terminal behind stdout or stderr; the zero
// Screen if there is none.
func (a *app) screen(w io.Writer) render.Screen {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return render.Screen{}
	}
	s := render.Screen{Width: 80, Color: a.color()}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Width = width
	}
	return s
}

// color reports whether terminals may be given colours (https://no-color.org).
func (a *app) color() bool {
	no, _ := a.lookupEnv("NO_COLOR")
	kind, _ := a.lookupEnv("TERM")
	return no == "" && kind != "dumb"
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
