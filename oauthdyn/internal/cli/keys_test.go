// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// pemKey writes an RSA key to a file, in PKCS #1 or PKCS #8, and sets a variable
// to the same in base64: pemkey FILE pkcs1|pkcs8 BITS VAR.
func pemKey(ts *testscript.TestScript, _ bool, args []string) {
	bits, err := strconv.Atoi(args[2])
	ts.Check(err)
	key, err := rsa.GenerateKey(rand.Reader, bits)
	ts.Check(err)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if args[1] == "pkcs8" {
		block.Type = "PRIVATE KEY"
		block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
		ts.Check(err)
	}
	text := pem.EncodeToMemory(block)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
	ts.Setenv(args[3], base64.StdEncoding.EncodeToString(text))
}
