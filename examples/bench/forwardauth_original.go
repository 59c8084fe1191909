// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// originalAuthPeer is the Python authorization server that oauthdyn succeeds.
var originalAuthPeer = peer{
	key: originalAuthName, remark: " (the original)", pack: "mcp-oauth-dynamicclient", version: "0.2.0", kind: pypiPackage,
}

const noRedisHint = "no redis-server: install it with apt-get install redis-server"

// originalAuth is the original with its Redis. People sign in to it at GitHub,
// which a benchmark cannot, so its own code issues the token.
type originalAuth struct {
	logs     bool // at its default level it logs four lines for every check; else errors only
	absent   string
	commands string // directory of the virtual environment's programs
	redis    string
	scratch  string
}

func newOriginalAuth(peersDir, scratch string, logs bool) *originalAuth {
	s := &originalAuth{logs: logs, commands: originalAuthPeer.dir(peersDir), scratch: scratch}
	var err error
	switch s.redis, err = exec.LookPath("redis-server"); {
	case !originalAuthPeer.installed(peersDir):
		s.absent = absentHint
	case err != nil:
		s.absent = noRedisHint
	}
	return s
}

func (s *originalAuth) name() string {
	if s.logs {
		return originalLogsName
	}
	return originalAuthName
}

func (s *originalAuth) title() string {
	if s.logs {
		return originalAuthPeer.label() + ", logging as by default"
	}
	return originalAuthPeer.label()
}

func (s *originalAuth) missing() string { return s.absent }

// originalAuthServer is the original's process, and that of its Redis.
type originalAuthServer struct {
	*httpServer
	redis *process
}

func (s *originalAuthServer) pids() []int { return append(s.httpServer.pids(), s.redis.pid()) }
func (s *originalAuthServer) stop() int   { return s.httpServer.stop() + s.redis.stop() }

const redisPassword = "bench" // of a server on loopback that holds one token for a minute

func (s *originalAuth) start(ctx context.Context) (_ server, err error) {
	redisAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, redisPort, err := net.SplitHostPort(redisAddress)
	if err != nil {
		return nil, err
	}
	redis, err := startProcess([]string{s.redis, "--bind", "127.0.0.1", "--port", redisPort,
		"--dir", s.scratch, "--save", "", "--appendonly", "no", "--requirepass", redisPassword}, nil, false)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			redis.stop()
		}
	}()
	if err := redis.waitListening(ctx, redisAddress); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	env, err := originalAuthEnv(redisAddress)
	if err != nil {
		return nil, err
	}
	token, err := s.issueToken(ctx, env)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !s.logs {
		env = append(env, "LOG_LEVEL=ERROR")
	}
	command := []string{filepath.Join(s.commands, "mcp-oauth-server"), "--host", "127.0.0.1", "--port", port}
	started, err := startHTTPServer(ctx, command, env, address, checksOf(token, person))
	if err != nil {
		return nil, err
	}
	return &originalAuthServer{httpServer: started, redis: redis}, nil
}

// originalAuthEnv is the original's configuration.
func originalAuthEnv(redisAddress string) ([]string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return []string{
		"BASE_DOMAIN=bench.example",
		"GITHUB_CLIENT_ID=none", "GITHUB_CLIENT_SECRET=none", "ALLOWED_GITHUB_USERS=" + person,
		"JWT_SECRET=none", "JWT_ALGORITHM=RS256", "JWT_PRIVATE_KEY_B64=" + base64.StdEncoding.EncodeToString(text),
		"REDIS_URL=redis://" + redisAddress + "/0", "REDIS_PASSWORD=" + redisPassword,
		"ACCESS_TOKEN_LIFETIME=86400", "REFRESH_TOKEN_LIFETIME=2592000", "SESSION_TIMEOUT=3600", "CLIENT_LIFETIME=7776000",
		"MCP_PROTOCOL_VERSION=2025-06-18",
	}, nil
}

// issueTokenScript does what the original's token endpoint does after a
// sign-in at GitHub: it signs a token and notes it in Redis.
const issueTokenScript = `
import asyncio, sys
from mcp_oauth_dynamicclient.auth_authlib import AuthManager
from mcp_oauth_dynamicclient.config import Settings
from mcp_oauth_dynamicclient.redis_client import RedisManager

async def issue():
    settings = Settings()
    redis = RedisManager(settings)
    await redis.initialize()
    token = await AuthManager(settings).create_jwt_token({
        "sub": sys.argv[1], "username": sys.argv[1], "email": "", "name": sys.argv[1],
        "scope": "openid profile email", "client_id": "bench"}, redis.client)
    await redis.close()
    return token

print("token", asyncio.run(issue()))
`

func (s *originalAuth) issueToken(ctx context.Context, env []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.commands, "python"), "-c", issueTokenScript, person)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = s.scratch
	ownGroup(cmd)
	cmd.WaitDelay = stopTimeout
	said := new(tail)
	cmd.Stderr = said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("issuing a token with the original's code: %w: %s", err, said)
	}
	for line := range bytes.Lines(out) {
		if token, found := bytes.CutPrefix(line, []byte("token ")); found {
			return strings.TrimSpace(string(token)), nil
		}
	}
	return "", fmt.Errorf("the original's code issued no token: %.200q", out)
}
