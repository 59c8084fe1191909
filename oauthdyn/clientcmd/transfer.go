// SPDX-License-Identifier: Apache-2.0

package clientcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// Export moves the login of client to a new file that only this user can read,
// or to Stdout for "-", which is then all that is printed. target names the
// login to people.
func (o Output) Export(ctx context.Context, client *oauthdyn.Client, target, to string) error {
	if err := client.ExportGrant(ctx, func(grant []byte) error { return deliver(to, o.Stdout, grant) }); err != nil {
		return err
	}
	if to == "-" {
		return nil
	}
	return o.Print(map[string]string{"exported": to}, "Moved the login for %s to %s.\n", target, to)
}

// deliver writes a grant where it is to go, down to the disk, since it is
// forgotten here afterwards.
func deliver(to string, stdout io.Writer, grant []byte) (err error) {
	if to == "-" {
		_, err := fmt.Fprintf(stdout, "%s\n", grant)
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; name a new file", to)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(append(grant, '\n')); err != nil {
		return err
	}
	return file.Sync()
}

// Import takes over a login from a file that Export wrote, or from stdin for
// "-", and prints it.
func (o Output) Import(ctx context.Context, client *oauthdyn.Client, target, from string, stdin io.Reader) error {
	grant, err := signin.ReadSecretFile(from, stdin)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	if err := client.ImportGrant(ctx, grant); err != nil {
		return err
	}
	return o.Grant(ctx, client, "Took over the login for "+target+"; delete the file.", false)
}
