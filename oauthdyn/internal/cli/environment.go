// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Environment variables with the names that mcp-oauth-dynamicclient gave them;
// see also those of the sign-in and of the store.
const (
	envBaseDomain   = "BASE_DOMAIN"
	envAccessTTL    = "ACCESS_TOKEN_LIFETIME"
	envRefreshTTL   = "REFRESH_TOKEN_LIFETIME"
	envClientTTL    = "CLIENT_LIFETIME"
	envLogLevel     = "LOG_LEVEL"
	envSessionTTL   = "SESSION_TIMEOUT"
	envMCPVersion   = "MCP_PROTOCOL_VERSION"
	envSecret       = "JWT_SECRET"
	envAlgorithm    = "JWT_ALGORITHM"
	maxTTLInSeconds = math.MaxInt64 / int64(time.Second)
)

// unused are variables that mean nothing here, and why.
var unused = []struct{ name, reason string }{
	{envSecret, "tokens are signed with a key pair, which is made on the first start; nobody can forge them who only checks them"},
	{envAlgorithm, "--signing-algorithm is what tokens are signed with"},
	{envPrivateKey, "oauthdyn keys import takes the key over, so that its tokens can still be verified"},
	{envMCPVersion, "clients of every version are served"},
	{envSessionTTL, "the original did not use it; --session-ttl is how long people stay signed in at the browser"},
}

// fromEnvironment takes the original's variables for flags that are not set.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	for _, v := range []struct {
		name, flag string
		convert    func(string) (string, error)
	}{
		{envBaseDomain, "issuer", baseDomain},
		{envAccessTTL, "access-token-ttl", secondsAboveZero},
		{envRefreshTTL, "refresh-token-ttl", secondsAboveZero},
		{envClientTTL, "client-ttl", wholeSeconds},
		{envLogLevel, "log-level", logLevel},
	} {
		value, _ := lookup(v.name)
		if value = strings.TrimSpace(value); value == "" || flags.Changed(v.flag) {
			continue
		}
		text, err := v.convert(value)
		if err == nil {
			err = flags.Set(v.flag, text)
		}
		if err != nil {
			return &usageError{text: fmt.Sprintf("the variable %s is %q: %s", v.name, value, err)}
		}
	}
	return nil
}

// tellUnused says which variables of the original have no effect.
func tellUnused(ctx context.Context, lookup func(string) (string, bool), log *slog.Logger) {
	for _, v := range unused {
		if value, _ := lookup(v.name); value != "" {
			log.LogAttrs(ctx, slog.LevelWarn, "variable has no effect", slog.String("variable", v.name), slog.String("reason", v.reason))
		}
	}
}

func baseDomain(domain string) (string, error) {
	if strings.Trim(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
		return "", fmt.Errorf("want a domain like example.com")
	}
	return "https://auth." + strings.ToLower(domain), nil
}

func wholeSeconds(text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxTTLInSeconds {
		return "", fmt.Errorf("want a number of seconds")
	}
	return (time.Duration(n) * time.Second).String(), nil
}

func secondsAboveZero(text string) (string, error) {
	duration, err := wholeSeconds(text)
	if err == nil && duration == "0s" {
		return "", fmt.Errorf("want a number of seconds that is not zero")
	}
	return duration, err
}

// logLevel takes the words of Python's logging as well.
func logLevel(text string) (string, error) {
	switch level := strings.ToLower(text); level {
	case "warning":
		return "warn", nil
	case "critical":
		return "error", nil
	case "trace":
		return "debug", nil
	default:
		return level, nil
	}
}
