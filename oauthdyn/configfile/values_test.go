// SPDX-License-Identifier: Apache-2.0

package configfile_test

import (
	"testing"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/configfile"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "10": "10", "1024": "1KiB", "64MiB": "64MiB", "1.5k": "1536", "2 G": "2GiB", "1MB": "1000000", "67108864": "64MiB",
		"": "", "x": "", "MiB": "", "NaN": "", "1e300": "", "-5": "",
	} {
		var b configfile.Size
		err := b.Set(text)
		if (err == nil) != (want != "") || want != "" && b.String() != want {
			t.Errorf("%q: %s, %v, want %q", text, b.String(), err, want)
		}
	}
}

func TestChoice(t *testing.T) {
	c := configfile.Choice{Value: "auto", Words: []string{"auto", "off"}}
	if err := c.Set("on"); err == nil || err.Error() != "want auto or off" || c.String() != "auto" {
		t.Errorf("%q, %v", c.String(), err)
	}
	if err := c.Set("off"); err != nil || c.Value != "off" {
		t.Errorf("%q, %v", c.Value, err)
	}
}
