// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

const envKey = "OAUTHDYN_KEY"

// sealFlags name the key that encrypts secrets in the store.
type sealFlags struct{ keyFile string }

func (f *sealFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.keyFile, "key-file", "", "`FILE` with 32 random bytes in base64, which encrypt the signing keys in the store, and the tokens of GitHub or the provider, which are kept with it only; in further lines those that they took the place of (default the value of $"+envKey+")")
}

// sealingKeys are the key that seals, and those that it took the place of.
type sealingKeys struct {
	key []byte // nil: none
	old [][]byte
}

// maxSealingKeys bounds the lines of the file.
const maxSealingKeys = 8

// keys reads the keys.
func (f *sealFlags) keys() (k sealingKeys, err error) {
	value := os.Getenv(envKey)
	if f.keyFile == "" && value == "" {
		return k, nil
	}
	const hint = "openssl rand -base64 32 makes one"
	text := []byte(value)
	if f.keyFile != "" {
		if value != "" {
			return k, &usageError{text: "the key is given twice, by --key-file and by $" + envKey}
		}
		if text, err = signin.ReadSecretFile(f.keyFile, nil); errors.Is(err, fs.ErrNotExist) {
			return k, &hintedError{err, hint}
		} else if err != nil {
			return k, err
		}
	}
	lines := strings.Fields(string(text))
	if len(lines) > maxSealingKeys {
		return k, fmt.Errorf("there are more than %d keys", maxSealingKeys)
	}
	var keys [][]byte
	for _, line := range lines {
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != 32 {
			return k, &hintedError{errors.New("the key is not 32 bytes in base64"), hint}
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return k, &hintedError{errors.New("there is no key in " + cmp.Or(f.keyFile, "$"+envKey)), hint}
	}
	k.key = keys[0]
	if len(keys) > 1 {
		k.old = keys[1:]
	}
	return k, nil
}

// keyFlags are the flags of serve about its signing keys.
type keyFlags struct {
	sealFlags
	algorithm string
	rotation  time.Duration
}

func (f *keyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.sealFlags.add(cmd)
	flags.StringVar(&f.algorithm, "signing-algorithm", "", "`ALGORITHM` that signs access tokens: ES256, RS256 or EdDSA (default that of the key that signs, or ES256)")
	flags.DurationVar(&f.rotation, "key-rotation", 90*24*time.Hour, "how long a signing key signs; negative means until \"oauthdyn keys rotate\"")
}

func (f *keyFlags) apply(o *authserver.Options) (err error) {
	o.SigningAlgorithm, o.KeyRotation = f.algorithm, f.rotation
	k, err := f.keys()
	o.SealingKey, o.OldSealingKeys = k.key, k.old
	return err
}

// explainKeys says what to do about keys that cannot be opened.
func explainKeys(err error) error {
	if !errors.Is(err, authserver.ErrKeysSealed) {
		return err
	}
	return &hintedError{err, "--key-file, or $" + envKey + ", must give the key that sealed them; if it is lost, \"oauthdyn keys rotate --now --lost-key\" replaces them"}
}
