// SPDX-License-Identifier: Apache-2.0

// Turns pages into Markdown as many Node.js programs do: a DOM, Mozilla's
// Readability, turndown with its plugin for tables. usage: node convert.mjs
// jsdom|linkedom DIR. DIR/index.json lists the pages, which are read first; then
// each line of standard input is the number of one, and each line of standard
// output says what its conversion took.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readability } from '@mozilla/readability';
import TurndownService from 'turndown';
import { gfm } from 'turndown-plugin-gfm';

const [dom, dir] = process.argv.slice(2);
const parse = await {
  async jsdom() {
    const { JSDOM, VirtualConsole } = await import('jsdom');
    const virtualConsole = new VirtualConsole(); // what a page's style sheets get wrong is not printed
    return (html, url) => {
      const { window } = new JSDOM(html, { url, virtualConsole });
      return { document: window.document, close: () => window.close() };
    };
  },
  async linkedom() {
    const { parseHTML } = await import('linkedom');
    return html => ({ document: parseHTML(html).document, close() {} });
  },
}[dom]();

const turndown = new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced' });
turndown.use(gfm);

function convert({ html, url }) {
  const { document, close } = parse(html.toString('utf8'), url);
  try {
    const article = new Readability(document).parse();
    return turndown.turndown(article?.content ?? '');
  } finally {
    close();
  }
}

const pages = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')).map(({ file, url }) => ({ html: readFileSync(join(dir, file)), url }));
console.log(JSON.stringify({ pages: pages.length }));
for await (const line of createInterface({ input: process.stdin })) {
  const page = pages[Number(line)];
  const cpu = process.cpuUsage();
  const begin = process.hrtime.bigint();
  const result = {};
  try {
    result.characters = convert(page).length;
  } catch (error) {
    result.error = String(error).slice(0, 200);
  }
  result.wall_ns = Number(process.hrtime.bigint() - begin);
  const { user, system } = process.cpuUsage(cpu);
  result.cpu_ns = (user + system) * 1000;
  result.peak_bytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify(result));
}
