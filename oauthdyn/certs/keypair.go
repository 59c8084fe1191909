// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certCheck is how often the files of a certificate are looked at, at most.
const certCheck = 2 * time.Second

// keyPair is a certificate and its key, which are read again when their files
// change.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	checked time.Time    // guarded by mu
	seen    [2]fileStamp // guarded by mu; of the files when they were read last
}

// fileStamp changes with the file.
type fileStamp struct {
	modified time.Time
	size     int64
}

func openKeyPair(certFile, keyFile string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{certFile: certFile, keyFile: keyFile, log: log}
	return k, k.reload()
}

// reload reads the files. After an error the certificate stays as it is.
func (k *keyPair) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.read(k.stamps())
}

func (k *keyPair) stamps() (stamps [2]fileStamp) {
	for i, name := range []string{k.certFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

// read needs mu. What was seen is remembered even if it is broken, so that it
// is complained about once.
func (k *keyPair) read(seen [2]fileStamp) error {
	k.checked, k.seen = time.Now(), seen
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", k.certFile, k.keyFile, err)
	}
	k.current.Store(&pair)
	return nil
}

// refresh reads the files if they have changed. Who comes while another does
// it takes the certificate as it is.
func (k *keyPair) refresh(ctx context.Context) {
	if !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	if time.Since(k.checked) < certCheck {
		return
	}
	k.checked = time.Now()
	seen := k.stamps()
	if seen == k.seen {
		return
	}
	if err := k.read(seen); err != nil {
		k.log.LogAttrs(ctx, slog.LevelError, "new certificate not usable, keeping the old one", slog.String("error", err.Error()))
		return
	}
	k.log.LogAttrs(ctx, slog.LevelInfo, "certificate read again", slog.String("file", k.certFile))
}

func (k *keyPair) notAfter() time.Time { return k.current.Load().Leaf.NotAfter }

// config is the server's side of TLS with the certificate.
func (k *keyPair) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			k.refresh(hello.Context())
			return k.current.Load(), nil
		},
	}
}
