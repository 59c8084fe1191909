// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
)

const envKey = "OAUTHDYN_KEY"

// sealFlags name the key that encrypts secrets in the store.
type sealFlags struct{ keyFile string }

func (f *sealFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.keyFile, "key-file", "", "`FILE` with 32 random bytes in base64, which encrypt the signing keys in the store, and the tokens of GitHub or the provider, which are kept with it only (default the value of $"+envKey+")")
}

// key reads the key; nil if there is none.
func (f *sealFlags) key() ([]byte, error) {
	if f.keyFile == "" && os.Getenv(envKey) == "" {
		return nil, nil
	}
	const hint = "openssl rand -base64 32 makes one"
	text, err := secretOf(f.keyFile, "--key-file", envKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &hintedError{err, hint}
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		return nil, &hintedError{errors.New("the key is not 32 bytes in base64"), hint}
	}
	return key, nil
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
	o.SealingKey, err = f.key()
	return err
}

// explainKeys says what to do about keys that cannot be opened.
func explainKeys(err error) error {
	if !errors.Is(err, authserver.ErrKeysSealed) {
		return err
	}
	return &hintedError{err, "--key-file, or $" + envKey + ", must give the key that sealed them; if it is lost, \"oauthdyn keys rotate --now --lost-key\" replaces them"}
}
