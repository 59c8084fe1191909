// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// keyboard is where a person can type although stdin is for something else: the
// terminal of the process. It counts only if messages go to it, too: a program
// that keeps our stderr to itself reads the terminal itself.
func (a *app) keyboard() io.Reader {
	out, ok := a.stderr.(*os.File)
	if a.secretsFrom != nil || !ok || !term.IsTerminal(int(out.Fd())) {
		return nil
	}
	return &keyboard{}
}

// keyboard opens itself when it is read, and stays open: reading it cannot be
// called off.
type keyboard struct {
	once sync.Once
	file *os.File
	err  error
}

func (t *keyboard) Read(p []byte) (int, error) {
	t.once.Do(func() { t.file, t.err = os.Open(keyboardName) })
	if t.err != nil {
		return 0, io.EOF // nobody there
	}
	return t.file.Read(p)
}
