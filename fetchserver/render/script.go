// SPDX-License-Identifier: Apache-2.0

package render

import "fmt"

// worldName is that of the JavaScript world of this package: it sees the
// document of a page, but nothing that the page's scripts have changed in their
// language.
const worldName = "render"

// quietScript returns for how many milliseconds no element that shows something
// was added to the document, as far as it has looked: from its first run on.
const quietScript = `(() => {
  const silent = new Set(['SCRIPT', 'STYLE', 'LINK', 'META', 'IFRAME', 'IMG', 'NOSCRIPT', 'TEMPLATE']);
  if (globalThis.lastAdded === undefined) {
    globalThis.lastAdded = performance.now();
    new MutationObserver(changes => {
      for (const change of changes)
        for (const node of change.addedNodes)
          if (node.nodeType === 1 && !silent.has(node.tagName)) { globalThis.lastAdded = performance.now(); return; }
    }).observe(document, {childList: true, subtree: true});
  }
  return performance.now() - globalThis.lastAdded;
})()`

// snapshot is what snapshotScript returns.
type snapshot struct {
	HTML string `json:"html"`
	URL  string `json:"url"`
	Cut  bool   `json:"cut"`
}

// snapshotScript returns the document as HTML of at most so many UTF-16 code
// units: with the content of open shadow trees in the place where it is seen,
// and without what only a browser needs.
func snapshotScript(most int) string {
	return fmt.Sprintf(`(most => {
  const url = location.href, root = document.documentElement;
  if (!root) return {html: '', url, cut: false};
  for (const e of document.querySelectorAll('noscript, style, link[rel~=stylesheet], script:not([type*=json])')) e.remove();
  const empty = new Set(['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source', 'track', 'wbr']);
  const escape = s => s.replace(/[&<>\u00a0]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '\u00a0': '&nbsp;'}[c]));
  let parts = [], size = 0;
  const put = s => { parts.push(s); size += s.length; };
  const write = (node, raw) => {
    if (size > most) return;
    if (node.nodeType === 3) return put(raw ? node.data : escape(node.data));
    if (node.nodeType !== 1) return;
    const name = node.localName;
    let tag = '<' + name;
    for (const a of node.attributes) tag += ' ' + a.name + '="' + a.value.replace(/[&"]/g, c => c === '&' ? '&amp;' : '&quot;') + '"';
    put(tag + '>');
    if (empty.has(name)) return;
    let children = node.shadowRoot ? node.shadowRoot.childNodes : node.childNodes;
    if (name === 'slot' && node.assignedNodes().length) children = node.assignedNodes();
    if (name === 'template') children = [];
    for (const child of children) write(child, name === 'script' || name === 'style' || name === 'iframe');
    put('</' + name + '>');
  };
  let html;
  const hasShadow = [...document.querySelectorAll('*')].some(e => e.shadowRoot);
  try {
    if (hasShadow) { write(root, false); html = parts.join(''); }
  } catch { html = undefined; }
  if (html === undefined) html = root.outerHTML;
  const cut = html.length > most;
  if (cut) html = html.slice(0, most);
  return {html: '<!DOCTYPE html>' + html, url, cut};
})(%d)`, most)
}
