// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecretBytes bounds a file with a secret. Keys and assertions are larger
// than passwords.
const maxSecretBytes = 64 << 10

// ReadSecret reads a secret that is the one line of a file, or of stdin if the
// name is "-": without the white space around it, at most 64 KiB. A secret on the
// command line could be read by every user of the machine. The error does not
// quote what was read.
func ReadSecret(name string, stdin io.Reader) (string, error) {
	text, err := ReadSecretFile(name, stdin)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("%s must hold one line", place(name))
	}
	return secret, nil
}

// ReadSecretFile reads all of a file of at most 64 KiB, or of stdin if the name
// is "-".
func ReadSecretFile(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	} else if stdin == nil {
		return nil, errors.New("standard input is not for secrets here; name a file")
	}
	text, err := io.ReadAll(io.LimitReader(from, maxSecretBytes+1))
	if err == nil && len(text) > maxSecretBytes {
		err = fmt.Errorf("%s is larger than %d bytes", place(name), maxSecretBytes)
	}
	return text, err
}

func place(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}
