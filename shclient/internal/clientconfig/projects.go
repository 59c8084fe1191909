// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"os"
	"path/filepath"
)

// maxParents bounds the walk up from the current directory.
const maxParents = 64

// projects are the directories whose files count: the current one and its
// parents up to the root of the repository, else up to the home directory, else
// the current one alone. What lies above may be anybody's.
func (s *System) projects() []string {
	if !filepath.IsAbs(s.Dir) {
		return nil
	}
	home := s.Home()
	var dirs []string
	for dir := filepath.Clean(s.Dir); len(dirs) < maxParents; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil || dir == home {
			return dirs
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return dirs[:1]
}
