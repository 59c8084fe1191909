// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// clientKey reads the private key of the client from a file or the environment;
// nil without either. A key in the environment counts only for a client that
// was registered by hand, has a metadata document, or uses a key file.
func (f *Flags) clientKey(p Process) (crypto.Signer, error) {
	if f.ClientKeyFile != "" {
		text, err := ReadSecretFile(f.ClientKeyFile, p.Stdin)
		if err != nil {
			return nil, fmt.Errorf("--client-key-file: %w", err)
		}
		key, err := ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("--client-key-file: %s: %w", f.ClientKeyFile, err)
		}
		return key, nil
	}
	text, _ := p.LookupEnv(EnvClientKey)
	if text == "" || f.ClientID == "" && f.ClientMetadataURL == "" {
		return nil, nil
	}
	key, err := ParseKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", EnvClientKey, err)
	}
	return key, nil
}

// ParseKey reads the first private key of PEM text: PKCS #8, PKCS #1 or SEC 1.
// The error does not quote it.
func ParseKey(text []byte) (crypto.Signer, error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1)")
		}
		text = rest
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted; decrypt it, with openssl pkey for one")
		default:
			continue // parameters or certificates beside the key
		}
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, errors.New("the private key cannot be read")
		}
		return signer, nil
	}
}
