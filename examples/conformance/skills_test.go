// SPDX-License-Identifier: Apache-2.0

//go:build unix

package conformance_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// listSkills is the method of the skills extension (SEP-2640), of which the SDK
// knows nothing: its host is here, and shclient carries the messages.
const listSkills = "skills/list"

type skillsParams struct{ mcp.ListResourcesParams }

type skillsResult struct {
	mcp.ListResourcesResult
	Skills []skill `json:"skills"`
}

type skill struct {
	URI         string            `json:"uri"`
	Frontmatter map[string]string `json:"frontmatter"`
	Resources   []skillFile       `json:"resources"`
}

type skillFile struct {
	URI    string `json:"uri"`
	Digest string `json:"digest"`
	Size   int    `json:"size"`
}

// listOnly looks at what skills there are, and must fetch none of their files.
func listOnly(ctx context.Context, s *mcp.ClientSession, _ []*mcp.Tool) error {
	_, err := mcp.CallCustomMethod[*skillsParams, *skillsResult](ctx, s, listSkills, &skillsParams{})
	return err
}

// loadSkills loads all skills with their files, unless one is not what the list
// says.
func loadSkills(ctx context.Context, s *mcp.ClientSession, _ []*mcp.Tool) error {
	list, err := mcp.CallCustomMethod[*skillsParams, *skillsResult](ctx, s, listSkills, &skillsParams{})
	if err != nil {
		return err
	}
	var failed []error
	for _, skill := range list.Skills {
		failed = append(failed, skill.load(ctx, s))
	}
	return errors.Join(failed...)
}

func (k skill) load(ctx context.Context, s *mcp.ClientSession) error {
	for _, file := range k.Resources {
		text, err := file.read(ctx, s)
		if err != nil {
			return err
		}
		if file.URI == k.URI && !maps.Equal(frontmatter(text), k.Frontmatter) {
			return fmt.Errorf("%s: the frontmatter is not the one of the list", file.URI)
		}
	}
	return nil
}

func (f skillFile) read(ctx context.Context, s *mcp.ClientSession) (string, error) {
	result, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: f.URI})
	if err != nil {
		return "", err
	}
	if len(result.Contents) != 1 {
		return "", fmt.Errorf("%s: %d contents", f.URI, len(result.Contents))
	}
	text := result.Contents[0].Text
	switch {
	case len(text) != f.Size:
		return "", fmt.Errorf("%s has %d bytes, not %d", f.URI, len(text), f.Size)
	case fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) != f.Digest:
		return "", fmt.Errorf("%s: not the digest of the list", f.URI)
	}
	return text, nil
}

// frontmatter reads the plain pairs in front of a skill.
func frontmatter(text string) map[string]string {
	_, text, _ = strings.Cut(text, "---\n")
	text, _, _ = strings.Cut(text, "\n---")
	pairs := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			pairs[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return pairs
}
