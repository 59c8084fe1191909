#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
'use strict';

// Runs the binary of this machine in place of this script.

const path = require('path');
const tty = require('tty');
const {spawn} = require('child_process');
const {name, version} = require('../package.json');

const holder = `@mcp-oauth-gateway/${name}-${process.platform}-${process.arch}`;
let binary;
try {
  binary = path.join(path.dirname(require.resolve(`${holder}/package.json`)), 'bin', name + (process.platform === 'win32' ? '.exe' : ''));
} catch {
  console.error(`${name}: the package ${holder}@${version}, which holds the binary, is not installed.`);
  console.error(`Install ${name} again without --omit=optional, and on this machine: node_modules of another system do not fit.`);
  console.error('If there is no such package, see https://github.com/atrawog/mcp-oauth-gateway/blob/main/docs/install.md for other ways.');
  process.exit(1);
}

const args = process.argv.slice(2);
if (process.execve && process.platform !== 'win32') {
  // Since Node.js 22.15: no process stays in between.
  process.execve(binary, [name, ...args], process.env);
}

const child = spawn(binary, args, {stdio: 'inherit', windowsHide: true});

// A terminal sends these to the child too; a second one would end it at once.
const terminal = [0, 1, 2].some((fd) => tty.isatty(fd));
for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP']) {
  process.on(signal, () => terminal || child.kill(signal));
}
for (const signal of ['SIGTERM', 'SIGUSR2']) {
  process.on(signal, () => child.kill(signal));
}

child.on('error', (err) => {
  console.error(`${name}: ${binary} cannot be started: ${err.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  if (!signal) {
    process.exit(code);
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(1), 1000); // for a signal that does not end Node.js
});
