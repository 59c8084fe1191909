// SPDX-License-Identifier: Apache-2.0

// A person at Chromium, whom the test tells what to do: a line of JSON on
// standard input is an order, and one on standard output what came of it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const timeout = 90_000; // ms; only matters when something is missing

const browser = await chromium.launch({ executablePath: process.argv[2], timeout, args: ['--no-sandbox'] });
const visits = new Map(); // id -> { page, context, requests, complaints }

const labelled = (page, name) => page.getByLabel(name, { exact: true });
const control = (page, name) => page.getByRole('button', { name }).or(page.getByRole('link', { name })).first();

const orders = {
  /** A browser of a person who has never been here. */
  async start({ id, colorScheme, width, height, javaScript }) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height }, javaScriptEnabled: javaScript });
    context.setDefaultTimeout(timeout);
    const page = await context.newPage();
    const visit = { context, page, requests: [], complaints: [] };
    page.on('request', request => visit.requests.push(request.url()));
    page.on('console', message => visit.complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', error => visit.complaints.push(`error: ${error}`));
    visits.set(id, visit);
  },
  open: async ({ page }, { url }) => (await page.goto(url)).status(),
  fill: ({ page }, { label, value }) => labelled(page, label).fill(value),
  click: ({ page }, { name }) => control(page, name).click(),
  press: ({ page }, { key }) => page.keyboard.press(key),
  type: ({ page }, { text }) => page.keyboard.type(text),
  /** Waits for a page by its heading, by any text on it, or by a button. */
  async wait({ page }, { heading, text, button }) {
    const what = text ? page.getByText(text) : button ? control(page, button) : page.getByRole('heading', { level: 1, name: heading });
    await what.first().waitFor();
  },
  /** Waits for a page by its address. */
  arrive: ({ page }, { prefix }) => page.waitForURL(url => url.href.startsWith(prefix)),
  url: ({ page }) => page.url(),
  text: ({ page }) => page.locator('body').innerText(),
  /** What has the focus, and whether that can be seen. */
  focus: ({ page }) => page.evaluate(() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    return {
      name: at.labels?.[0]?.innerText.trim() || at.innerText.trim(), tag: at.tagName.toLowerCase(),
      visible: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    };
  }),
  /** Whether the page is wider than the window. */
  overflow: ({ page }) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
  /** What axe-core finds. */
  async audit({ page }) {
    await page.evaluate(axe);
    const { violations, incomplete } = await page.evaluate(() => axe.run());
    const plain = ({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(n => `${n.target} ${n.failureSummary}`).join('; ')}`;
    return { violations: violations.map(plain), incomplete: incomplete.map(plain) };
  },
  screenshot: ({ page }, { path }) => page.screenshot({ path, fullPage: true }).then(() => null),
  async end(visit, { id }) {
    visits.delete(id);
    await visit.context.close();
    return { requests: visit.requests, complaints: visit.complaints };
  },
};

async function obey(line) {
  const { order, number, ...params } = JSON.parse(line);
  let answer;
  try {
    const result = order === 'start' ? await orders.start(params) : await orders[order](visits.get(params.id), params);
    answer = { number, result: result ?? null };
  } catch (error) {
    answer = { number, error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}

const obeying = [];
for await (const line of createInterface({ input: process.stdin })) obeying.push(obey(line));
await Promise.all(obeying);
await browser.close();
