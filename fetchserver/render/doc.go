// SPDX-License-Identifier: Apache-2.0

// Package render runs the scripts of web pages in a Chromium that the system
// has, and returns their HTML afterwards.
//
//	b, err := render.New(render.Options{Client: fetch.New(nil)})
//	if err != nil { … }
//	defer b.Close()
//	page, err := b.Render(ctx, &fetch.Request{URL: "https://example.com/"})
//
// A page is a program from a stranger inside the network. All that it sends
// goes through a proxy of this package, which no other process can use and
// which connects by the guarded dial of a [fetch.Client]: a subrequest, a frame,
// a WebSocket or a redirect gets as far as a fetch of the same client would.
// Chromium itself resolves no names and has no other way out. Each page has a
// browser context of its own that is thrown away, so that nothing is shared
// between callers, and none of what it might ask a person: files, downloads,
// dialogs, windows, permissions.
package render
