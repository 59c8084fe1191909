// SPDX-License-Identifier: Apache-2.0

package configfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// A command whose flags can be in a file.
func ExampleRead() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, []byte(`{"maxBytes": "10MiB", "render": "auto"}`), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	size := configfile.Size(1 << 20)
	render := configfile.Choice{Value: "off", Words: []string{"off", "auto", "always"}}
	flags := pflag.NewFlagSet("program", pflag.ContinueOnError)
	flags.Var(&size, "max-bytes", "largest answer")
	flags.Var(&render, "render", "run scripts")
	if err := configfile.Read(path, flags); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(int64(size), render.Value)
	// Output: 10485760 auto
}

// A secret stays out of the command line.
func ExampleExpand() {
	lookup := map[string]string{"TOKEN": "s3cret"}
	environ := func(name string) (string, bool) { value, ok := lookup[name]; return value, ok } // os.LookupEnv
	fmt.Println(configfile.Expand("Authorization: Bearer ${TOKEN}", environ))
	_, err := configfile.Expand("Bearer ${TOKNE}", environ)
	fmt.Println(err)
	// Output:
	// Authorization: Bearer s3cret <nil>
	// the environment has no variable TOKNE
}
