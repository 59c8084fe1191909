// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/shclient/internal/render"
)

// imageProtocol is how the terminal behind stdout takes images: by what it says
// of itself in the environment, or in its answer to the question for its
// attributes.
func (a *app) imageProtocol() render.ImageProtocol {
	env := func(name string) string {
		value, _ := a.lookupEnv(name)
		return value
	}
	if env("TMUX") == "" && env("STY") == "" { // which hide the terminal that they run in
		switch program := env("TERM_PROGRAM"); {
		case env("KITTY_WINDOW_ID") != "", env("TERM") == "xterm-kitty", env("TERM") == "xterm-ghostty", program == "ghostty":
			return render.Kitty
		case program == "iTerm.app", program == "WezTerm", env("LC_TERMINAL") == "iTerm2":
			return render.ITerm2
		}
	}
	if hasSixel(deviceAttributes()) {
		return render.Sixel
	}
	return render.NoImages
}

// attributesTimeout is how long a terminal may take to answer. All that are in
// use do at once, but the line to them may be slow.
const attributesTimeout = 500 * time.Millisecond

// deviceAttributes asks the terminal what it can do (DA1, ECMA-48 section
// 8.3.24). It returns nothing where a read cannot be given up, or fails.
func deviceAttributes() string {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return ""
	}
	defer tty.Close()
	if tty.SetDeadline(time.Now().Add(attributesTimeout)) != nil {
		return ""
	}
	raw, err := tty.SyscallConn()
	if err != nil {
		return ""
	}
	var answer string
	_ = raw.Control(func(fd uintptr) { // what fails has no answer
		if !term.IsTerminal(int(fd)) {
			return
		}
		state, err := term.MakeRaw(int(fd))
		if err != nil {
			return
		}
		defer term.Restore(int(fd), state)
		answer = attributes(tty)
	})
	return answer
}

func attributes(tty *os.File) string {
	if _, err := tty.WriteString("\x1b[c"); err != nil {
		return ""
	}
	var answer []byte
	buf := make([]byte, 64)
	for len(answer) < 256 {
		n, err := tty.Read(buf)
		answer = append(answer, buf[:n]...)
		if err != nil || slices.Contains(buf[:n], 'c') {
			break
		}
	}
	return string(answer)
}

// hasSixel reports whether the answer to DA1 lists sixel graphics, which is 4.
func hasSixel(answer string) bool {
	_, list, ok := strings.Cut(answer, "\x1b[?")
	list, _, ended := strings.Cut(list, "c")
	return ok && ended && slices.Contains(strings.Split(list, ";")[1:], "4")
}
