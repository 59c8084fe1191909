// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var isRoot = os.Getuid() == 0

// registry is where our images are.
const registry = "ghcr.io/atrawog/mcp-oauth-gateway/"

var ourImage = regexp.MustCompile(`^` + registry + `(oauthdyn|shproxy|fetchserver):v\d+\.\d+\.\d+$`)

// programOf is the entry point of an image of ours, or "".
func programOf(image string) string {
	name := image[strings.LastIndex(image, "/")+1:]
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimSuffix(name, "-node") // made of it, with Node.js
	switch name {
	case "oauthdyn", "shproxy", "fetchserver":
		return name
	}
	return ""
}

// checkImage holds the agreed names. shproxy comes with the servers that it
// starts, so that its image is made by who deploys it.
func checkImage(t *testing.T, where, image, program string) {
	t.Helper()
	if !ourImage.MatchString(image) && program != "shproxy" {
		t.Errorf("%s: image %s does not look like %sNAME:vX.Y.Z", where, image, registry)
	}
}

// flagSeconds is the value of a flag that is a duration, in seconds; 0 if it is
// not there.
func flagSeconds(t *testing.T, args []string, flag string) float64 {
	t.Helper()
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return seconds(t, value)
		}
	}
	return 0
}

func seconds(t *testing.T, text string) float64 {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d.Seconds()
}
