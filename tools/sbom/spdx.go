// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// MediaType is that of the documents that WriteSPDX writes.
const MediaType = "application/spdx+json"

// namespace is the start of the addresses that tell our documents apart.
const namespace = "https://github.com/atrawog/mcp-oauth-gateway/spdx/"

// unknown is how SPDX says that we do not say.
const unknown = "NOASSERTION"

// Write writes the SPDX document of a binary; see [Read] for the arguments.
func Write(ctx context.Context, w io.Writer, file, module string, workspace bool) error {
	inv, err := Read(ctx, file, module, workspace)
	if err != nil {
		return err
	}
	return inv.WriteSPDX(w)
}

// WriteSPDX writes the inventory as SPDX 2.3 in JSON: the binary with its hash, and
// each module that is compiled into it.
func (inv *Inventory) WriteSPDX(w io.Writer) error {
	root := pack("Application", inv.Main)
	root.PackageName = inv.Name
	root.PackageFileName = inv.Name
	root.PrimaryPackagePurpose = "APPLICATION"
	root.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: inv.SHA256}}
	root.PackageSourceInfo = "built from commit " + inv.Revision + " for " + inv.Platform
	doc := &spdx.Document{
		SPDXVersion:       spdx.Version,
		DataLicense:       spdx.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      inv.Name + " " + inv.Main.Version + " " + inv.Platform,
		DocumentNamespace: namespace + inv.Name + "-" + inv.SHA256,
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "mcp-oauth-gateway-sbom"}, {CreatorType: "Organization", Creator: "mcp-oauth-gateway"}},
			Created:  inv.Created.Format(time.RFC3339),
		},
		Packages:      []*spdx.Package{root},
		Relationships: []*spdx.Relationship{relation("DOCUMENT", common.TypeRelationshipDescribe, root.PackageSPDXIdentifier)},
	}
	for i, m := range inv.Modules {
		p := pack(fmt.Sprintf("Module-%d", i+1), m)
		p.PrimaryPackagePurpose = "LIBRARY"
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, relation(root.PackageSPDXIdentifier, common.TypeRelationshipDependsOn, p.PackageSPDXIdentifier))
	}
	return json.Write(doc, w, json.Indent("  "), json.EscapeHTML(false))
}

func relation(a common.ElementID, kind string, b common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", string(a)), Relationship: kind, RefB: common.MakeDocElementID("", string(b))}
}

func pack(id string, m Module) *spdx.Package {
	license := m.License
	if license == "" {
		license = unknown
	}
	p := &spdx.Package{
		PackageName:             m.Path,
		PackageSPDXIdentifier:   common.ElementID(id),
		PackageVersion:          m.Version,
		PackageDownloadLocation: unknown,
		PackageLicenseConcluded: license,
		PackageLicenseDeclared:  license,
		PackageCopyrightText:    unknown,
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: purl(m),
		}},
	}
	if m.Sum != "" { // not an archive's checksum, which SPDX would take it for
		p.PackageSourceInfo = "go.sum: " + m.Sum
	}
	return p
}

// purl is the name by which vulnerability databases know a module.
func purl(m Module) string {
	version := m.Version
	if m.Path == stdlib {
		version = strings.TrimPrefix(version, "go")
	}
	if version == "" || strings.HasPrefix(version, "(") {
		return "pkg:golang/" + m.Path
	}
	return "pkg:golang/" + m.Path + "@" + url.QueryEscape(version)
}
