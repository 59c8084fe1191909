// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/render"
	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

// renderFlags say whether the scripts of pages run.
type renderFlags struct {
	render      configfile.Choice
	chromium    string
	noSandbox   bool
	renderPages int
}

func (c *config) addRenderFlags(f *pflag.FlagSet) {
	c.render = configfile.Choice{Value: "off", Words: []string{"off", "auto", "always"}}
	f.Var(&c.render, "render", "run the scripts of pages in Chromium: off, auto (pages that are empty without) or always")
	f.StringVar(&c.chromium, "chromium", "", "the Chromium to run, a `PROGRAM`, instead of the one that is found")
	f.BoolVar(&c.noSandbox, "chromium-no-sandbox", false, "run Chromium without its sandbox, which root and some containers cannot have; a hostile page then needs one bug less")
	f.IntVar(&c.renderPages, "render-pages", 2, "render at most `N` pages at one time; others wait")
}

// renderScripts has a server with these options render pages. The caller ends
// it when the server has ended.
func (c *config) renderScripts(o *fetchserver.Options, log *slog.Logger) (end func(), err error) {
	if c.render.Value == "off" {
		return func() {}, nil
	}
	if c.renderPages < 1 {
		return nil, &usageError{text: "--render-pages must be at least 1"}
	}
	client := fetch.New(o.ClientOptions())
	b, err := render.New(render.Options{
		Client: client, Path: c.chromium, NoSandbox: c.noSandbox, UserAgent: o.UserAgent,
		MaxPages: c.renderPages, Logger: log,
	})
	if err != nil {
		client.Close()
		return nil, &usageError{text: err.Error() + "; see --chromium and --chromium-no-sandbox, or leave out --render"}
	}
	o.Renderer, o.RenderAlways = b, c.render.Value == "always"
	return func() { b.Close(); client.Close() }, nil
}
