// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// Connect makes the client that Open uses, for a URL as there. It connects when
// it is used; each command takes as long as timeout at most.
func Connect(url, password string, timeout time.Duration) (goredis.UniversalClient, error) {
	o, socket, err := parse(url)
	if err != nil {
		return nil, err
	}
	o.Password = cmp.Or(password, o.Password)
	// A repeated commit could take its own effect for that of another.
	o.MaxRetries = -1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.ContextTimeoutEnabled = true
	// What the store needs is in RESP2; the rest are extras of some servers.
	o.Protocol = 2
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if socket != "" {
		simple := o.Simple()
		simple.Network, simple.Addr = "unix", socket
		return goredis.NewClient(simple), nil
	}
	return goredis.NewUniversalClient(o), nil
}

// parse reads a URL; see Open. Its errors do not repeat it, since it may hold a
// password.
func parse(url string) (o *goredis.UniversalOptions, socket string, err error) {
	u, err := neturl.Parse(url)
	if err != nil || u.Opaque != "" || u.Scheme == "" || u.Fragment != "" {
		return nil, "", errors.New("redis: the URL cannot be read; want redis://[user:password@]host:port/db, with reserved characters of the password as %XX")
	}
	o = &goredis.UniversalOptions{Username: u.User.Username()}
	o.Password, _ = u.User.Password()
	db := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "unix":
		if socket = u.Path; socket == "" {
			return nil, "", errors.New("redis: the URL names no socket; want unix:///path")
		}
		db = ""
	case "rediss":
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	case "redis":
	default:
		return nil, "", fmt.Errorf("redis: there are no %s: URLs; want redis, rediss or unix", u.Scheme)
	}
	if err := parseQuery(o, u.Query(), &db); err != nil {
		return nil, "", err
	}
	port := defaultPort
	if o.MasterName != "" {
		port = defaultSentinelPort
	}
	o.Addrs = append([]string{net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), port))}, o.Addrs...)
	if len(o.Addrs) > 1 && o.MasterName == "" && !o.IsClusterMode {
		return nil, "", errors.New("redis: several addresses need cluster=true or master_name=")
	}
	if o.IsClusterMode && (db != "" && db != "0" || o.MasterName != "" || socket != "") {
		return nil, "", errors.New("redis: a cluster has database 0 only, no master_name, and no socket")
	}
	if db != "" {
		if o.DB, err = strconv.Atoi(db); err != nil || o.DB < 0 {
			return nil, "", fmt.Errorf("redis: database %q is not a number", db)
		}
	}
	return o, socket, nil
}

func parseQuery(o *goredis.UniversalOptions, query neturl.Values, db *string) (err error) {
	for name, values := range query {
		value := values[len(values)-1]
		switch name {
		case "db":
			*db = value
		case "cluster":
			if o.IsClusterMode, err = strconv.ParseBool(value); err != nil {
				return fmt.Errorf("redis: cluster=%s is neither true nor false", value)
			}
		case "master_name":
			o.MasterName = value
		case "addr":
			for _, addr := range values {
				if _, _, err := net.SplitHostPort(addr); err != nil {
					return fmt.Errorf("redis: addr=%s is not host:port", addr)
				}
			}
			o.Addrs = slices.Clone(values)
		default:
			return fmt.Errorf("redis: the URL has no parameter %q; there are addr, cluster, db, master_name", name)
		}
	}
	return nil
}
