// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/admin"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/internal/terminal"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// Where mcp-oauth-dynamicclient has its key, and what it calls it.
const (
	envPrivateKey   = "JWT_PRIVATE_KEY_B64"
	originalKeyFile = "/app/keys/private_key.pem"
	originalKeyID   = "blessed-key-1"
)

// keysFlags are the flags of commands on signing keys.
type keysFlags struct {
	adminFlags
	sealFlags
}

func (f *keysFlags) add(cmd *cobra.Command) {
	f.adminFlags.add(cmd)
	f.sealFlags.add(cmd)
	cmd.Flags().Lookup("key-file").Usage = "`FILE` with the key that seals the signing keys, if no server runs (default the value of $" + envKey + ")"
}

func (a *app) keysCommand() *cobra.Command {
	return adminCommand("keys", "See, rotate and import signing keys", "oauthdyn keys list",
		a.keysListCommand(), a.keysRotateCommand(), a.keysImportCommand())
}

// keysHelp is the end of the help of commands on keys.
const keysHelp = `

It works while the server runs, through a socket beside the file of its store, and while
it does not; then it needs the key that seals the signing keys, if there is one. A store
in Redis is changed itself; its servers hear of that within ten seconds.`

// callKeys does an operation on keys.
func (a *app) callKeys(ctx context.Context, f *keysFlags, name string, in any) (l authserver.KeyList, err error) {
	add := func(s *admin.Service, db store.Store) error {
		k, err := f.keys()
		if err != nil {
			return err
		}
		keys, err := authserver.OpenKeys(authserver.KeyOptions{Store: db, SealingKey: k.key, OldSealingKeys: k.old})
		if err == nil {
			keys.AddTo(s)
		}
		return err
	}
	err = a.administerWith(ctx, &f.storeFlags, add, func(c admin.Caller) (err error) {
		l, err = admin.Call[authserver.KeyList](ctx, c, name, in)
		return err
	})
	return l, explainKeys(err)
}

func (a *app) keysListCommand() *cobra.Command {
	f := &keysFlags{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the signing keys that are published",
		Long: `Lists the signing keys. The active one signs; the next one is published already, and
signs when its time has come; retired ones are published until all that they signed has
expired. No private key is shown.` + keysHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.running = true
			return a.listKeys(cmd.Context(), f)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) listKeys(ctx context.Context, f *keysFlags) error {
	l, err := a.callKeys(ctx, f, authserver.OpListKeys, struct{}{})
	if err != nil || f.json {
		return a.orJSON(err, l)
	}
	g := &grid{}
	g.add("KEY ID", "ALGORITHM", "STATE", "SIGNS FROM", "UNTIL", "PUBLISHED UNTIL", "STORED")
	for _, k := range l.Keys {
		stored := "public half"
		switch {
		case k.State == authserver.KeyRetired:
		case k.Sealed:
			stored = "sealed"
		default:
			stored = "in clear"
		}
		g.add(k.ID, k.Algorithm, string(k.State), orDash(k.Signs), orDash(k.Retires), orDash(k.Until), stored)
	}
	return a.writeGrid(g, len(l.Keys), "signing key", false)
}

// orDash is day for times that may not be known.
func orDash(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return day(t)
}

func (a *app) keysRotateCommand() *cobra.Command {
	f := &keysFlags{}
	var o authserver.KeyRotation
	var yes bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a fresh signing key",
		Long: `Makes a fresh signing key. It is published for an hour before it signs, so that all who
check tokens know it by then; no token is refused. A server does this by itself, see
"oauthdyn serve --key-rotation".

With --now, all keys that could sign are removed, and a fresh one signs at once: for keys
that somebody else may have. Tokens that they signed are refused as soon as the key set is
read again, which "oauthdyn verify" does within ten minutes, and their clients get new
ones by refresh; nobody has to sign in. Verifiers of others may refuse new tokens for as
long as they cache the key set.` + keysHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.LostKey && !o.Now {
				return &usageError{text: "--lost-key needs --now: keys that cannot be opened cannot go on signing"}
			}
			a.running = true
			if o.Now {
				if err := a.confirm(cmd.Context(), yes, "Remove all keys that sign, and refuse what they signed?"); err != nil {
					return err
				}
			}
			return a.rotateKeys(cmd.Context(), f, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Now, "now", false, "remove all keys that could sign; a fresh one signs at once")
	flags.BoolVar(&o.LostKey, "lost-key", false, "with --now: the key that sealed them is lost")
	flags.BoolVar(&yes, "yes", false, "with --now: do not ask")
	f.add(cmd)
	return cmd
}

func (a *app) rotateKeys(ctx context.Context, f *keysFlags, o authserver.KeyRotation) error {
	l, err := a.callKeys(ctx, f, authserver.OpRotateKeys, o)
	if err != nil || f.json {
		return a.orJSON(err, l)
	}
	return a.sayKey(l)
}

// sayKey says what the key that was made or imported does.
func (a *app) sayKey(l authserver.KeyList) error {
	i := slices.IndexFunc(l.Keys, func(k authserver.SigningKey) bool { return k.ID == l.Changed })
	if i < 0 {
		return fmt.Errorf("key %s is gone already; somebody else has changed the keys", terminal.Printable(l.Changed))
	}
	k, now := l.Keys[i], time.Now()
	text := "signs now"
	switch k.State {
	case authserver.KeyNext:
		text = "is published now, and signs from " + terminal.Moment(k.Signs, now) + " on"
	case authserver.KeyRetired:
		text = "verifies until " + terminal.Moment(k.Until, now)
	}
	_, err := fmt.Fprintf(a.stdout, "Key %s (%s) %s.\n", terminal.Printable(k.ID), k.Algorithm, text)
	return err
}

func (a *app) keysImportCommand() *cobra.Command {
	f := &keysFlags{}
	var id string
	var sign bool
	var keep time.Duration
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Take over the signing key of another server",
		Long: `Takes over a private key, so that tokens that it signed can still be verified: the one of
mcp-oauth-dynamicclient, which this server replaces, or another one. FILE holds it in PEM
(PKCS #1, PKCS #8 or SEC 1); - is standard input. Without FILE it is $` + envPrivateKey + `
(PEM in base64), or else ` + originalKeyFile + `. Those who check such tokens must accept that
they are of type JWT and for the issuer: "oauthdyn verify --accept-type-jwt".

With --sign it also signs: at once if no key does yet, else in an hour, as in a rotation.
Without, its private half is not kept.` + keysHelp,
		Example: `  oauthdyn keys import old/private_key.pem --data /var/lib/oauthdyn --keep 720h`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			private, err := a.originalKey(args)
			if err != nil {
				return err
			}
			if _, ok := private.(*rsa.PrivateKey); ok && !cmd.Flags().Changed("kid") {
				id = originalKeyID
			}
			i, err := authserver.NewKeyImport(private, id)
			if err != nil {
				return err
			}
			i.Sign, i.Keep = sign, keep
			return a.importKey(cmd.Context(), f, i)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&id, "kid", "", "`ID` of the key in tokens (default "+originalKeyID+" for an RSA key, as mcp-oauth-dynamicclient has it; if empty, the thumbprint of RFC 7638)")
	flags.BoolVar(&sign, "sign", false, "let it sign, too")
	flags.DurationVar(&keep, "keep", 25*time.Hour, "how long it verifies, if it does not sign: as long as the last token that it signed lives")
	f.add(cmd)
	return cmd
}

// originalKey reads the key that is to be imported.
func (a *app) originalKey(args []string) (crypto.Signer, error) {
	file := originalKeyFile
	if len(args) == 1 {
		file = args[0]
	} else if text, _ := a.lookupEnv(envPrivateKey); text != "" {
		pem, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, fmt.Errorf("$%s is not base64", envPrivateKey)
		}
		key, err := signin.ParseKey(pem)
		if err != nil {
			return nil, fmt.Errorf("$%s: %w", envPrivateKey, err)
		}
		return key, nil
	}
	pem, err := signin.ReadSecretFile(file, a.stdin)
	if errors.Is(err, fs.ErrNotExist) && len(args) == 0 {
		return nil, &usageError{text: "there is no key to import: name a FILE", hint: "or set $" + envPrivateKey + ", or put the key where mcp-oauth-dynamicclient has it: " + originalKeyFile}
	}
	if err != nil {
		return nil, err
	}
	key, err := signin.ParseKey(pem)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

func (a *app) importKey(ctx context.Context, f *keysFlags, i authserver.KeyImport) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	l, err := a.callKeys(ctx, f, authserver.OpImportKey, i)
	if err != nil || f.json {
		return a.orJSON(err, l)
	}
	return a.sayKey(l)
}

// prepare makes the file of the store if there is none: a key can be imported
// before the first start of the server.
func (f *keysFlags) prepare(ctx context.Context) error {
	file, ok := f.file()
	if !ok {
		return nil
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := f.open(ctx, nil)
	if err != nil {
		return err
	}
	return db.Close()
}
