// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
)

// socketFile is the socket beside storeFile.
const socketFile = "admin.sock"

// adminFlags are the flags of commands for administrators.
type adminFlags struct {
	storeFlags
	output
}

func (f *adminFlags) add(cmd *cobra.Command) {
	f.storeFlags.add(cmd)
	f.output.add(cmd.Flags())
}

// adminHelp is the end of the help of such commands.
const adminHelp = `

It works while the server runs, through a socket beside the file of its store, and
while it does not. A store in Redis is changed itself; its servers hear of that within
a second.`

// adminCommand makes a command with a name, such as "clients", that has others
// below it.
func adminCommand(name, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q of %s", args[0], name)
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return &usageError{text: "no command given", hint: example}
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// socket is where a running server does what administrators ask for: beside the
// file that it keeps to itself. Other stores are open to everybody, and need
// none.
func (f *storeFlags) socket() (path string, ok bool) {
	file, ok := f.file()
	if dir, name := filepath.Split(file); name == storeFile {
		return dir + socketFile, ok
	}
	return file + ".sock", ok
}

// administer does something with a running server, or with the store if none
// runs.
func (a *app) administer(ctx context.Context, f *storeFlags, do func(admin.Caller) error) error {
	return a.administerWith(ctx, f, nil, do)
}

// administerWith is administer, where a service without a server needs more
// operations.
func (a *app) administerWith(ctx context.Context, f *storeFlags, add func(*admin.Service, store.Store) error, do func(admin.Caller) error) (err error) {
	if socket, ok := f.socket(); ok {
		if remote, err := admin.Dial(ctx, socket); err == nil {
			defer remote.Close()
			return a.explainAdmin(do(remote))
		}
	}
	if file, ok := f.file(); ok {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return &hintedError{fmt.Errorf("there is no store %s", file), "--data names the directory that serve uses"}
		}
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := f.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	service := admin.New(admin.Options{Store: db})
	if add != nil {
		if err := add(service, db); err != nil {
			return err
		}
	}
	return a.explainAdmin(do(service))
}

// explainAdmin tells mistakes of the user from failures.
func (a *app) explainAdmin(err error) error {
	if refused, ok := errors.AsType[*admin.Error](err); ok && refused.Code == admin.CodeInvalid {
		return &usageError{text: refused.Text}
	}
	return err
}

// errDeclined is the answer of somebody who was asked, and said no.
var errDeclined = errors.New("nothing was changed")

// confirm asks whether to go on with something that cannot be undone.
func (a *app) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(a.stdin.Fd())) {
		return &usageError{text: question + " Nobody can be asked here", hint: "--yes goes on without asking"}
	}
	fmt.Fprint(a.stderr, terminal.Printable(question)+" [y/N] ")
	answered := make(chan string, 1)
	go func() { // ends with the process at the latest
		line, _ := bufio.NewReader(a.stdin).ReadString('\n') // no answer is a no
		answered <- line
	}()
	select {
	case line := <-answered:
		if text := strings.ToLower(strings.TrimSpace(line)); text == "y" || text == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
	}
	return errDeclined
}

// adminChannel lets commands reach a running server. stop ends that and waits for
// it. A server without the channel works, so that no error ends it.
func (f *storeFlags) adminChannel(ctx context.Context, service *admin.Service, log *slog.Logger) (stop func()) {
	socket, ok := f.socket()
	if !ok {
		return func() {}
	}
	listener, err := admin.Listen(socket)
	if err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "commands such as oauthdyn clients cannot reach this server", slog.String("error", err.Error()))
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := service.Serve(ctx, listener); err != nil {
			log.LogAttrs(ctx, slog.LevelError, "commands cannot reach this server any more", slog.String("error", err.Error()))
		}
	})
	return func() {
		cancel()
		serving.Wait()
	}
}
