// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"

	"github.com/atrawog/mcp-oauth-gateway/fetchserver"
	"github.com/atrawog/mcp-oauth-gateway/fetchserver/pdf"
)

// readPDF makes a server with these options read PDF files. The caller ends
// it when the server has ended.
func readPDF(o *fetchserver.Options) (end func()) {
	r := pdf.New(&pdf.Options{CacheDir: cacheDir("pdf")})
	if o.Converters == nil {
		o.Converters = make(map[string]fetchserver.Converter)
	}
	o.Converters["application/pdf"] = r.Convert
	o.Converters["application/x-pdf"] = r.Convert
	return r.Close
}

// cacheDir returns the directory for what can be made again, or "" if the user
// has none that can be written to.
func cacheDir(name string) string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir := filepath.Join(base, "mcp-oauth-gateway", "fetchserver", name)
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	probe, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return ""
	}
	_ = probe.Close() // empty
	if os.Remove(probe.Name()) != nil {
		return ""
	}
	return dir
}
