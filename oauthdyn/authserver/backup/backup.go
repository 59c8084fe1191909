// SPDX-License-Identifier: Apache-2.0

// Package backup writes all that a store keeps to a file, and reads it back into
// another store.
//
//	n, err := backup.WriteFile(ctx, "/backups/today.jsonl", running)
//	…
//	file, err := os.Open("/backups/today.jsonl")
//	if err != nil { … }
//	defer file.Close()
//	n, err = backup.Read(ctx, file, empty, nil)
//
// A backup is lines of JSON: a header, one line for each record, and an end with
// their number and their checksum, so that a copy that was cut short or changed
// by accident is not taken for whole. It has what the store has: hashes of
// codes, tokens and client secrets, but also the signing keys, as they are in
// the store, sealed or not. Keep it as you keep the store.
package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/atrawog/mcp-oauth-gateway/oauthdyn/authserver/store"
)

// format is the version of the lines.
const format = 1

// maxLine bounds a line. Records are small: the largest is a client's, whose
// registration is bounded.
const maxLine = 1 << 20

// importStep is how many records are stored at once.
const importStep = 500

var (
	// ErrNotEmpty reports a store that has records already.
	ErrNotEmpty = errors.New("the store is not empty")

	// ErrDamaged reports a backup that is not whole.
	ErrDamaged = errors.New("the backup is damaged")
)

// An Exporter has records to copy: a store, or what another server has kept.
type Exporter interface {
	// Export is that of store.Transfers.
	Export(ctx context.Context, fn func(store.Record) error) error
}

type header struct {
	Format  int       `json:"oauthdyn_backup"`
	Created time.Time `json:"created"`
}

// end follows the records.
type end struct {
	Records *int   `json:"records"`
	SHA256  string `json:"sha256"` // of all lines before
}

// Write writes a backup and returns how many records it has. The store can be in
// use; see store.Transfers for what that means.
func Write(ctx context.Context, w io.Writer, from Exporter) (records int, err error) {
	out := bufio.NewWriter(w)
	sum := sha256.New()
	lines := json.NewEncoder(io.MultiWriter(out, sum))
	if err := lines.Encode(header{format, time.Now().UTC()}); err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	err = from.Export(ctx, func(r store.Record) error {
		records++
		return lines.Encode(r)
	})
	if err == nil {
		err = json.NewEncoder(out).Encode(end{&records, hex.EncodeToString(sum.Sum(nil))})
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	return records, nil
}

// WriteFile writes a backup to a new file that its owner alone can read, down to
// the disk. If that fails there is no file. The error matches fs.ErrExist if
// there is one already.
func WriteFile(ctx context.Context, path string, from Exporter) (records int, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("backup: %s: %w; name a new file", path, fs.ErrExist)
	}
	if err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	records, err = Write(ctx, file, from)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(path))
	}
	return records, nil
}

// ReadOptions say what [Read] and [Copy] leave out.
type ReadOptions struct {
	// WithoutGrants leaves out what people have consented to: grants, codes,
	// sessions and approvals. Everybody signs in again, and nothing comes back
	// that was revoked after the backup was made.
	WithoutGrants bool
}

// Read stores the records of a backup in a store that is empty, and returns how
// many. It checks the whole backup first: of one that is damaged (ErrDamaged)
// nothing is stored. Nil options are valid.
func Read(ctx context.Context, r io.ReadSeeker, to store.Store, o *ReadOptions) (records int, err error) {
	if o == nil {
		o = &ReadOptions{}
	}
	if err := Empty(ctx, to); err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	if err := read(ctx, r, func(store.Record) error { return nil }); err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("backup: %w", err)
	}
	c := &copier{ctx: ctx, to: to, o: o}
	err = read(ctx, r, c.add)
	if err == nil {
		err = c.flush()
	}
	if err != nil {
		return c.records, fmt.Errorf("backup: %w", err)
	}
	return c.records, nil
}

// Copy stores all records of one store in another, which is empty, and returns
// how many. Nothing should write to the first: what is written while it is
// copied may be left behind. Nil options are valid.
func Copy(ctx context.Context, from Exporter, to store.Store, o *ReadOptions) (records int, err error) {
	if o == nil {
		o = &ReadOptions{}
	}
	c := &copier{ctx: ctx, to: to, o: o}
	err = Empty(ctx, to)
	if err == nil {
		err = from.Export(ctx, c.add)
	}
	if err == nil {
		err = c.flush()
	}
	if err != nil {
		return c.records, fmt.Errorf("backup: %w", err)
	}
	return c.records, nil
}

// Empty returns ErrNotEmpty if a store has records.
func Empty(ctx context.Context, s Exporter) error {
	return s.Export(ctx, func(store.Record) error { return ErrNotEmpty })
}

// A copier stores records a step at a time.
type copier struct {
	ctx     context.Context
	to      store.Transfers
	o       *ReadOptions
	waiting []store.Record
	records int
}

func (c *copier) add(r store.Record) error {
	if c.o.WithoutGrants && (r.Grant != nil || r.Code != nil || r.Transaction != nil || r.Approval != nil) {
		return nil
	}
	c.waiting = append(c.waiting, r)
	if len(c.waiting) < importStep {
		return nil
	}
	return c.flush()
}

func (c *copier) flush() error {
	if err := c.to.Import(c.ctx, c.waiting); err != nil {
		return err
	}
	c.records += len(c.waiting)
	c.waiting = c.waiting[:0]
	return nil
}

// read calls fn with each record, and checks that the backup is whole.
func read(ctx context.Context, r io.Reader, fn func(store.Record) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	sum := sha256.New()
	if err := readHeader(lines, sum); err != nil {
		return err
	}
	for n := 0; lines.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line := lines.Bytes()
		if last := (end{}); bytes.HasPrefix(line, []byte(`{"records":`)) && json.Unmarshal(line, &last) == nil {
			return checkEnd(lines, last, n, sum)
		}
		var record store.Record
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&record); err != nil {
			return fmt.Errorf("%w: line %d is not a record", ErrDamaged, n+2)
		}
		sum.Write(line)
		sum.Write([]byte("\n"))
		if err := fn(record); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return err
	}
	return fmt.Errorf("%w: its end is missing", ErrDamaged)
}

func readHeader(lines *bufio.Scanner, sum hash.Hash) error {
	if !lines.Scan() {
		if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
			return err
		}
		return fmt.Errorf("%w: it is empty, or no backup", ErrDamaged)
	}
	var h header
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Format == 0 {
		return errors.New("this is no backup of an authorization server")
	}
	if h.Format != format {
		return fmt.Errorf("the backup has format %d; this program knows format %d", h.Format, format)
	}
	sum.Write(lines.Bytes())
	sum.Write([]byte("\n"))
	return nil
}

func checkEnd(lines *bufio.Scanner, last end, records int, sum hash.Hash) error {
	switch {
	case last.Records == nil || *last.Records != records:
		return fmt.Errorf("%w: it has %d records, and should have another number", ErrDamaged, records)
	case last.SHA256 != hex.EncodeToString(sum.Sum(nil)):
		return fmt.Errorf("%w: it was changed, its checksum is another", ErrDamaged)
	case lines.Scan():
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	return nil
}
