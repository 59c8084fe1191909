// SPDX-License-Identifier: Apache-2.0

// Package pdf reads the text of PDF files (ISO 32000): headings, paragraphs
// and pages as a person reads them, words that were divided at line ends whole
// again.
//
//	reader := pdf.New(nil)
//	defer reader.Close()
//	document, err := reader.Text(ctx, body)
//	if err != nil { … }
//	fmt.Println(document.Title, document.Text)
//
// [Reader.Convert] has a [fetchserver.Server] read such files.
//
// The files are parsed by PDFium, compiled to WebAssembly: it can neither
// reach the file system nor the network, its memory has a limit, and it can be
// stopped at any moment, whatever a file makes it do. It starts with the first
// file that is read.
package pdf
