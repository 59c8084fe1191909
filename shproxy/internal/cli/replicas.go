// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	store "github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store/redis"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/replica/redis"
	"github.com/atrawog/mcp-oauth-gateway/shproxy/sse"
)

const (
	// directoryTime bounds each step with the directory, and startDirectory the
	// first ones together.
	directoryTime  = time.Second
	startDirectory = 5 * time.Second

	envRedisPassword = "REDIS_PASSWORD" // as oauthdyn has it
)

// replicaFlags make the program one of several.
type replicaFlags struct {
	directory    string
	passwordFile string
	prefix       string
	addr         string
	advertise    string
	keyFile      string
}

func (f *replicaFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.directory, "directory", "", "`URL` of the Redis or Valkey server by which replicas know each other, like redis://HOST:PORT/DB (default: there are no others)")
	flags.StringVar(&f.passwordFile, "directory-password-file", "", "`FILE` with its password (default the value of $"+envRedisPassword+")")
	flags.StringVar(&f.prefix, "directory-prefix", "", "`NAME` that its keys begin with, for several gateways in one database (default "+redis.DefaultPrefix+")")
	flags.StringVar(&f.addr, "replica-addr", "", "`HOST:PORT` to listen on for the other replicas")
	flags.StringVar(&f.advertise, "replica-advertise", "", "`HOST:PORT` where they reach it (default that address, with the one from which the directory is reached for an unspecific host)")
	flags.StringVar(&f.keyFile, "replica-key-file", "", "`FILE` with the secret that all replicas share, of at least 32 bytes")
}

// checkReplicas finds flags that do not go together.
func (c *config) checkReplicas() error {
	f := &c.replicas
	if f.directory == "" {
		for flag, value := range map[string]string{
			"--directory-password-file": f.passwordFile, "--directory-prefix": f.prefix,
			"--replica-addr": f.addr, "--replica-advertise": f.advertise, "--replica-key-file": f.keyFile,
		} {
			if value != "" {
				return fmt.Errorf("%s needs --directory", flag)
			}
		}
		return nil
	}
	switch {
	case f.addr == "":
		return errors.New("--directory needs --replica-addr, where the other replicas reach this one")
	case f.keyFile == "":
		return errors.New("--directory needs --replica-key-file, with the secret that all replicas share; openssl rand -hex 32 makes one")
	case c.authEmbedded:
		return errors.New("--auth-embedded keeps its store in a file of one process; for several replicas run oauthdyn serve --store redis://… and name it with --auth-issuer")
	}
	if u, err := url.Parse(f.directory); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return errors.New("--directory holds a password, which other users of the machine can see; put it into a file for --directory-password-file, or into $" + envRedisPassword)
		}
	}
	if err := checkHostPort("--replica-addr", f.addr); err != nil {
		return err
	}
	return f.checkAdvertise()
}

// checkAdvertise finds an address that no other replica can reach.
func (f *replicaFlags) checkAdvertise() error {
	if f.advertise == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(f.advertise)
	if err != nil || host == "" {
		return errors.New("--replica-advertise must be like 10.0.0.7:7443")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("--replica-advertise must be like 10.0.0.7:7443, with a port from 1 to 65535")
	}
	if net.ParseIP(host).IsUnspecified() {
		return fmt.Errorf("--replica-advertise must be an address that the other replicas can reach, like 10.0.0.7:%s, and %s is any address of a machine", port, host)
	}
	return nil
}

// cluster is what this program has of the replicas, of which it is one. Nil
// means that there are no others.
type cluster struct {
	member    *replica.Member
	client    goredis.UniversalClient
	directory string // URL
	secret    []byte
}

// openCluster opens what the flags name. sessions counts those of this replica.
func (c *config) openCluster(ctx context.Context, log *slog.Logger, sessions func() int) (*cluster, error) {
	f := &c.replicas
	if f.directory == "" {
		return nil, nil
	}
	secret, err := readKey(f.keyFile)
	if err != nil {
		return nil, fileError("--replica-key-file", "key", f.keyFile, err)
	}
	password, _ := c.environment.lookup(envRedisPassword)
	if f.passwordFile != "" {
		if password, err = readValue(f.passwordFile); err != nil {
			return nil, fileError("--directory-password-file", "password", f.passwordFile, err)
		}
	}
	goredis.SetLogger(&redisLogger{log})
	client, err := store.Connect(f.directory, password, directoryTime)
	if err != nil {
		return nil, &usageError{text: "--directory: " + err.Error()}
	}
	cl := &cluster{client: client, directory: f.directory, secret: secret}
	if cl.member, err = f.join(ctx, client, secret, log, sessions); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return cl, nil
}

func (f *replicaFlags) join(ctx context.Context, client goredis.UniversalClient, secret []byte, log *slog.Logger, sessions func() int) (*replica.Member, error) {
	directory, err := redis.New(client, &redis.Options{Prefix: f.prefix})
	if err != nil {
		return nil, &usageError{text: "--directory-prefix: " + err.Error()}
	}
	listener, err := listen(ctx, f.addr, "--replica-addr takes another address")
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		err = &hintedError{err, "this machine does not have the address; if it is one that leads here, listen on all with --replica-addr :PORT and give it to --replica-advertise"}
	}
	if err != nil {
		return nil, fmt.Errorf("--replica-addr: %w", err)
	}
	address, err := f.address(ctx, listener)
	if err == nil {
		if f.advertise == "" && isLoopback(address) && !isLoopback(listener.Addr().String()) {
			log.LogAttrs(ctx, slog.LevelWarn, "replicas on other machines cannot reach this one; --replica-advertise names an address that they can", slog.String("address", address))
		}
		var member *replica.Member
		if member, err = replica.New(replica.Options{
			Directory: directory, Key: secret, Listener: listener, Address: address, Sessions: sessions, Logger: log,
		}); err == nil {
			return member, nil
		}
	}
	return nil, errors.Join(err, listener.Close())
}

// address is where the other replicas reach the listener.
func (f *replicaFlags) address(ctx context.Context, listener net.Listener) (string, error) {
	if f.advertise != "" {
		return f.advertise, nil
	}
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return listener.Addr().String(), nil
	}
	u, err := url.Parse(f.directory)
	if err != nil || u.Host == "" {
		return "", &usageError{text: "--replica-addr names no host that others could reach; --replica-advertise has to"}
	}
	host, port := u.Hostname(), u.Port()
	switch {
	case port != "":
	case u.Query().Has("master_name"): // it is a sentinel
		port = "26379"
	default:
		port = "6379"
	}
	conn, err := (&net.Dialer{Timeout: startDirectory}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", directoryError(f.directory, err)
	}
	defer conn.Close()
	local, _, err := net.SplitHostPort(conn.LocalAddr().String())
	return net.JoinHostPort(local, fmt.Sprint(addr.Port)), err
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return net.ParseIP(host).IsLoopback()
}

func directoryError(directory string, err error) error {
	hint := "Redis or Valkey has to be there when a replica starts; later it may be away"
	late, network := errors.AsType[net.Error](err)
	_, garbled := errors.AsType[tls.RecordHeaderError](err)
	if strings.HasPrefix(directory, "rediss:") && (network && late.Timeout() || garbled) {
		hint = "nobody answers with TLS there, as rediss: wants; the URL of a server without TLS begins with redis:"
	}
	if refused, ok := errors.AsType[goredis.Error](err); ok { // it is there
		hint = "$REDIS_PASSWORD or --directory-password-file has the password"
		if word, _, _ := strings.Cut(refused.Error(), " "); word != "NOAUTH" && word != "WRONGPASS" {
			hint = "the server refuses what the URL says: look at its number of the database and at the user"
		}
	}
	return &hintedError{fmt.Errorf("--directory: %w", err), hint}
}

// readKey reads the secret of the replicas.
func readKey(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, makeSecret(name, err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return nil, &hintedError{fmt.Errorf("everybody on this machine can read or change %s", name), "chmod 600 " + name}
	}
	if info.Size() > maxValueBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxValueBytes)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\r\n")
	if len(data) < replica.MinKey {
		return nil, &hintedError{fmt.Errorf("%s has %d bytes and needs at least %d", name, len(data), replica.MinKey), "openssl rand -hex 32 > " + name}
	}
	return data, nil
}

// makeSecret adds to the error of a file that does not exist how to make it.
func makeSecret(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &hintedError{err, fmt.Sprintf("openssl rand -hex 32 > %[1]s && chmod 600 %[1]s", name)}
}

// start makes the replica known, and serves what others pass on.
func (c *cluster) start(ctx context.Context, h http.Handler) error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startDirectory)
	defer cancel()
	if err := c.member.Start(ctx, h); err != nil {
		return directoryError(c.directory, err)
	}
	return nil
}

// close lets go of everything, until ctx ends.
func (c *cluster) close(ctx context.Context) error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	_ = c.member.Close(ctx) // that the directory is away does not matter now: the lease ends
	return c.client.Close()
}

// status is what tells of the replicas; nil: there are no others.
func (c *cluster) status() func() replica.Status {
	if c == nil {
		return nil
	}
	return c.member.Status
}

// wrap passes requests for sessions of others on.
func (c *cluster) wrap(h http.Handler) http.Handler {
	if c == nil {
		return h
	}
	return c.member.Wrap(h)
}

// key derives a key that all replicas have; nil: there are no others.
func (c *cluster) key(purpose string) []byte {
	if c == nil {
		return nil
	}
	key, err := hkdf.Key(sha256.New, c.secret, nil, "shproxy "+purpose, 32)
	if err != nil {
		panic(err) // the length is a valid one
	}
	return key
}

// retire hands newcomers to other replicas and waits until no session is left,
// until most of the time to drain is over.
func (p *program) retire(ctx context.Context) {
	if p.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.drainTimeout*3/4)
	defer cancel()
	p.fleet.stopping.Store(true)
	told, done := context.WithTimeout(ctx, directoryTime)
	p.cluster.member.Retire(told)
	done()
	each(p.fleet.instances(), func(i *instance) { i.retire(ctx) })
}

// closing tells clients, while the program is stopping, to send their next
// request by another connection: the load balancer finds another replica. Of
// streams that last until then it says so at once, since it cannot later.
func (p *program) closing(next http.Handler) http.Handler {
	if p.cluster == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&closingWriter{
			ResponseWriter: w, stopping: &p.fleet.stopping, lasting: r.Method == http.MethodGet && r.ProtoMajor == 1,
		}, r)
	})
}

// closingWriter sets the header late, since that of an answer may be exchanged.
type closingWriter struct {
	http.ResponseWriter
	stopping *atomic.Bool
	lasting  bool // if it is an event stream
	begun    bool
}

// Unwrap is for [http.ResponseController].
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError is for [http.ResponseController].
func (w *closingWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *closingWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if w.stopping.Load() || w.lasting && w.Header().Get("Content-Type") == sse.ContentType {
		w.Header().Set("Connection", "close")
	}
}

// WriteHeader adds to the header.
func (w *closingWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // the final one
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write adds to the header, if that is not on its way.
func (w *closingWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// redisLogger takes what the client of Redis says of its connections. What
// fails for good is an error of the directory too.
type redisLogger struct{ log *slog.Logger }

// Printf implements the logger of the client.
func (l *redisLogger) Printf(ctx context.Context, format string, args ...any) {
	l.log.LogAttrs(ctx, slog.LevelDebug, fmt.Sprintf(format, args...))
}
