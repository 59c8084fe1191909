// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/signin"
)

// A foreignFlag is one that mcp-remote has and that is called otherwise here, or
// is not needed. It works in the bridge, and is not in the help.
type foreignFlag struct {
	app  *app
	note string             // what to say when it is used
	set  func(string) error // nil: nothing happens
}

func (f *foreignFlag) String() string { return "" }
func (f *foreignFlag) Type() string   { return "value" }

func (f *foreignFlag) Set(value string) error {
	f.app.foreign = append(f.app.foreign, f.note)
	if f.set == nil {
		return nil
	}
	return f.set(value)
}

// registerForeign defines the flags of mcp-remote whose meaning is the same
// under another name, or harmless to leave out. Others are unknown flags, since
// leaving them out would change what the user asked for.
func (a *app) registerForeign(flags *pflag.FlagSet) {
	c := &a.connect
	for _, f := range []struct {
		name  string
		plain bool // takes no value
		note  string
		set   func(string) error
	}{
		{"transport", false, "--transport is not needed: the bridge finds out what the server speaks", nil},
		{"device-code", true, "--device-code is --device here", boolean(&c.Device)},
		{"ignore-tool", false, "--ignore-tool is --deny-tool here", func(pattern string) error {
			a.bridging.denyTools = append(a.bridging.denyTools, pattern)
			return nil
		}},
		{"debug", true, "--debug is --verbose here", boolean(&a.verbose)},
		{"silent", true, "", boolean(&a.bridging.silent)},
		{"keep-alive", true, "--keep-alive is not needed: connections are kept alive", nil},
		{"ping-interval", false, "--ping-interval is not needed: connections are kept alive", nil},
		{"connect-timeout", false, "--connect-timeout is not needed: a server that cannot be reached is noticed soon", nil},
		{"headers-timeout", false, "--headers-timeout is not needed: a call may take as long as it does", nil},
		{"body-timeout", false, "--body-timeout is not needed: quiet streams are not ended", nil},
		{"disable-cookies", true, "--disable-cookies is not needed: no cookies are kept", nil},
		{"enable-proxy", true, "--enable-proxy is not needed: HTTPS_PROXY is always used", nil},
		{"host", false, "--host is not needed: the login comes back to 127.0.0.1, or to localhost where the server wants that", nil},
		{"resource", false, "--resource is not needed: a login is for the URL of the server, or for what its metadata says instead", nil},
		{"static-oauth-client-info", false, "--static-oauth-client-info is --client-id and --client-secret-file here; a secret on the command line can be read by every user of the machine", a.staticClient},
		{"static-oauth-client-metadata", false, "of --static-oauth-client-metadata only the scope is used: it is --scope here", a.staticMetadata},
	} {
		flag := flags.VarPF(&foreignFlag{a, f.note, f.set}, f.name, "", "as mcp-remote has it")
		flag.Hidden = true
		if f.plain {
			flag.NoOptDefVal = "true"
		}
	}
}

// boolean sets a flag of ours.
func boolean(flag *bool) func(string) error {
	return func(value string) error {
		switch value {
		case "true", "false":
			*flag = value == "true"
			return nil
		}
		return errors.New("want true or false")
	}
}

// staticClient takes a client that was registered by hand, as JSON or as @file.
func (a *app) staticClient(text string) error {
	var info struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if err := readJSON(text, &info); err != nil {
		return err
	}
	if info.ClientID == "" {
		return errors.New("client_id is missing")
	}
	a.connect.ClientID, a.connect.staticSecret = info.ClientID, info.ClientSecret
	return nil
}

func (a *app) staticMetadata(text string) error {
	var metadata struct{ Scope string }
	if err := readJSON(text, &metadata); err != nil {
		return err
	}
	if len(a.connect.Scopes) == 0 {
		a.connect.Scopes = strings.Fields(metadata.Scope)
	}
	return nil
}

// readJSON reads an object that is the text, or stands in the file behind an @.
// The error does not quote it.
func readJSON(text string, v any) error {
	data := []byte(text)
	if name, ok := strings.CutPrefix(text, "@"); ok {
		var err error
		if data, err = signin.ReadSecretFile(name, nil); err != nil {
			return err
		}
	}
	if json.Unmarshal(data, v) != nil {
		return errors.New("want a JSON object, or @ and the name of a file with one")
	}
	return nil
}

// tellForeign says how the flags of mcp-remote that were used are called here.
func (a *app) tellForeign() {
	if a.bridging.silent {
		return
	}
	for _, note := range a.foreign {
		if note != "" {
			fmt.Fprintf(a.stderr, "note: %s\n", note)
		}
	}
}
