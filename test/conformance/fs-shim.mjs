// SPDX-License-Identifier: Apache-2.0

// The conformance suite imports globSync from fs, which Node has since 22.
// Only a command that we do not run (tier-check) calls it, so for older
// versions this hook gives the suite an fs whose globSync says so.
//
//   node --import ./fs-shim.mjs node_modules/@modelcontextprotocol/conformance/dist/index.js
import * as fs from 'node:fs';
import { register } from 'node:module';

const shim = `
  export * from 'node:fs';
  export { default } from 'node:fs';
  export function globSync() { throw new Error('globSync needs Node 22 or newer'); }
`;

const hooks = `
  export async function resolve(specifier, context, next) {
    if (specifier === 'fs' && context.parentURL?.includes('/@modelcontextprotocol/conformance/')) {
      return { url: ${JSON.stringify('data:text/javascript,' + encodeURIComponent(shim))}, shortCircuit: true };
    }
    return next(specifier, context);
  }
`;

if (!('globSync' in fs)) {
  register('data:text/javascript,' + encodeURIComponent(hooks));
}
