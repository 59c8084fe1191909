// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logins_test

import (
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

func npmBundle() bundle.Bundle { return bundle.NPM("the npm packages", inTestdata("")) }

func pythonBundle() bundle.Bundle {
	return bundle.Python("the Python packages", inTestdata("requirements.txt"), "logins")
}

func inTestdata(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return path
}
