// SPDX-License-Identifier: Apache-2.0

package quality

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver/fetch"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/internal/quality/dataset"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/robots"
)

// robotsSet counts expectations about robots.txt files.
type robotsSet struct{}

func (robotsSet) Name() string { return "robots" }

func (robotsSet) Source() string {
	return `Robots exclusion protocol: 400 expectations of Google's test suite for RFC 9309.
https://github.com/google/robotstxt-spec-test at 552ade5, Apache-2.0.
To get it: clone; robots/google-robotstxt-spec-test.tar is a tar of it.
Other numbers are those of the named library on the same expectations.`
}

func (robotsSet) Run(_ context.Context, dir string, _ *Options) (*Report, error) {
	vectors, err := dataset.ReadRobots(dir)
	if err != nil {
		return nil, err
	}
	met := 0
	for _, v := range vectors {
		if robots.Parse([]byte(v.File)).AllowedPath(v.Path(), v.Agent) == v.Allowed {
			met++
		}
	}
	return &Report{
		Values: map[string]float64{"met": float64(met), "of": float64(len(vectors))},
		Table: [][]string{
			{"matcher", "expectations met"},
			{"this", fmt.Sprintf("%d of %d", met, len(vectors))},
			{"protego (Scrapy)", "378 of 400"},
			{"temoto/robotstxt 1.1.2", "373 of 400"},
			{"Python urllib.robotparser", "293 of 400"},
		},
	}, nil
}

// addressSet counts addresses that are judged wrongly.
type addressSet struct{}

func (addressSet) Name() string { return "addresses" }

func (addressSet) Source() string {
	return `Addresses: 231 that a fetcher must refuse (edges of the blocks of the IANA special-purpose registries, cloud metadata,
IPv6 forms that carry a private IPv4 address) and 22 public neighbours. addresses/special-purpose.json, this project's own.
Other numbers are those of the named program or library on the same addresses.`
}

func (addressSet) Run(_ context.Context, dir string, _ *Options) (*Report, error) {
	data, err := dataset.ReadAddresses(dir)
	if err != nil {
		return nil, err
	}
	passed, refused := 0, 0
	for _, entry := range data.Block {
		addr, err := netip.ParseAddr(entry[1])
		if err != nil {
			return nil, err
		}
		if fetch.IsPublic(addr) {
			passed++
		}
	}
	for _, text := range data.Allow {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		if !fetch.IsPublic(addr) {
			refused++
		}
	}
	return &Report{
		Values: map[string]float64{"passed": float64(passed), "refused": float64(refused), "of": float64(len(data.Block) + len(data.Allow))},
		Table: [][]string{
			{"check", fmt.Sprintf("passed of %d", len(data.Block)), fmt.Sprintf("refused of %d neighbours", len(data.Allow))},
			{"this", fmt.Sprint(passed), fmt.Sprint(refused)},
			{"code.dny.dev/ssrf 0.3.0", "1", "0"},
			{"mcp-server-fetch 2026.10.24", "44", "0"},
			{"npm private-ip 3.0.2", "80", "0"},
			{"Go's IsPrivate, IsLoopback, IsLinkLocalUnicast, IsUnspecified", "173", "0"},
		},
	}, nil
}
