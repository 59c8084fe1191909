// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// checkServers looks at how the server is configured, or all masters of a
// cluster are.
func (s *Store) checkServers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if cluster, ok := s.client.(*goredis.ClusterClient); ok {
		return explain(cluster.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
			return s.checkServer(ctx, node)
		}))
	}
	return s.checkServer(ctx, s.client)
}

func (s *Store) checkServer(ctx context.Context, c goredis.Cmdable) error {
	settings := readSettings(ctx, c)
	memory, policy := settings["maxmemory"], settings["maxmemory-policy"]
	switch {
	case memory == "" || policy == "":
		s.warn(ctx, "Redis does not tell its maxmemory-policy; make sure that it is noeviction: what it evicts are sign-ins and revocations")
	case evicts(policy) && memory != "0":
		return fmt.Errorf("redis: the server evicts what it should keep: maxmemory is set and maxmemory-policy is %s; run: CONFIG SET maxmemory-policy noeviction, and set it in redis.conf", policy)
	case evicts(policy):
		s.warn(ctx, "maxmemory-policy is "+policy+", which would evict sign-ins and revocations if maxmemory were set; set it to noeviction")
	}
	if settings["appendonly"] == "no" {
		s.warn(ctx, "Redis has appendonly no: when it ends, sign-ins and revocations since its last snapshot are lost; set appendonly yes")
	}
	return nil
}

// evicts reports whether a policy takes records without an expiry, as all of
// ours are.
func evicts(policy string) bool {
	return policy != "noeviction" && !strings.HasPrefix(policy, "volatile-")
}

func (s *Store) warn(ctx context.Context, text string) { s.log.LogAttrs(ctx, slog.LevelWarn, text) }

// readSettings asks for the configuration, and where that is forbidden, as by
// providers that run servers for others, takes what INFO tells.
func readSettings(ctx context.Context, c goredis.Cmdable) map[string]string {
	settings := map[string]string{}
	for _, pattern := range []string{"maxmemory*", "appendonly"} {
		found, err := c.ConfigGet(ctx, pattern).Result()
		if err != nil {
			return readInfo(ctx, c)
		}
		maps.Copy(settings, found)
	}
	return settings
}

func readInfo(ctx context.Context, c goredis.Cmdable) map[string]string {
	settings := map[string]string{}
	for _, section := range []string{"memory", "persistence"} {
		info, err := c.Info(ctx, section).Result()
		if err != nil {
			continue
		}
		for line := range strings.Lines(info) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch name {
			case "maxmemory":
				settings["maxmemory"] = value
			case "maxmemory_policy":
				settings["maxmemory-policy"] = value
			case "aof_enabled":
				settings["appendonly"] = map[string]string{"0": "no", "1": "yes"}[value]
			}
		}
	}
	return settings
}
