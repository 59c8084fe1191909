// SPDX-License-Identifier: Apache-2.0

// What the clients have in common: a page that they want opened goes to the
// test, as a line of JSON, which has a person open it; the redirect comes back
// to a server on loopback; and the last line is what came of it all.
import { once } from 'node:events';
import { createServer } from 'node:http';

const write = line => process.stdout.write(JSON.stringify(line) + '\n');

export const open = url => write({ open: String(url) });

/** Does the work of a client with the arguments of the program. */
export async function run(work) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const redirectUri = `http://127.0.0.1:${server.address().port}/callback`;
  let came;
  const callback = new Promise(resolve => (came = resolve));
  server.on('request', (request, response) => {
    response.setHeader('Connection', 'close');
    response.end('You can close this window.');
    came(new URL(request.url, redirectUri));
  });
  try {
    write({ result: await work({ redirectUri, callback, args: process.argv.slice(2) }) });
  } finally {
    server.close();
  }
}
