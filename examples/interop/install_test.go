// SPDX-License-Identifier: Apache-2.0

//go:build unix

package interop_test

import (
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/examples/internal/bundle"
)

// npmBundle is found by Node.js beside the drivers.
func npmBundle() bundle.Bundle { return bundle.NPM("the npm packages", inTestdata("")) }

// pythonBundle has the Python client, and servers.
func pythonBundle() bundle.Bundle {
	return bundle.Python("the Python packages", inTestdata("requirements.txt"), "interop")
}

// pythonV1Bundle has a server on the Python SDK's version 1.
func pythonV1Bundle() bundle.Bundle {
	return bundle.Python("the Python packages of version 1", inTestdata("requirements-v1.txt"), "interop-v1")
}

func bundles() []bundle.Bundle {
	return []bundle.Bundle{npmBundle(), pythonBundle(), pythonV1Bundle()}
}

func inTestdata(name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return path
}

// npmCommand is the path of a program from an npm package.
func npmCommand(name string) string {
	return filepath.Join(npmBundle().Dir, ".bin", name)
}

// pythonCommand is one from most of the Python packages.
func pythonCommand(name string) string { return pythonBundle().Program(name) }
