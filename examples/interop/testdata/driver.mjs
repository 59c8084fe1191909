// SPDX-License-Identifier: Apache-2.0

// A driver reads commands from its standard input, one JSON object a line,
// runs each at once, whatever else is running, and writes to its standard
// output what came of it, together with what the server sent meanwhile:
//
//   > {"id":1,"op":"call","params":{"name":"echo","arguments":{"message":"hi"}}}
//   < {"event":"notifications/message","params":{...}}
//   < {"id":1,"result":{"content":[...]}}
//
// This file is what both lines of the TypeScript SDK have in common.
import { createInterface } from 'node:readline';

// emit writes an event: a notification or a request of the server.
export function emit(event, params = {}) {
  process.stdout.write(JSON.stringify({ event, params }) + '\n');
}

// abilities are what a client declares, unless it is to declare nothing.
export const abilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };

// elicit answers a form, or opens a page.
export function elicit({ mode }, { action, content }) {
  return mode === 'url' ? { action } : { action, content };
}

// drive serves commands. connect(params) returns the client with the few
// operations that the two lines of the SDK spell in different ways.
export function drive(connect) {
  const calls = new Map(); // id of the command -> AbortController
  let it;

  const operations = {
    async connect(params) {
      it = await connect(params);
      it.client.fallbackNotificationHandler = async ({ method, params }) => emit(method, params);
      return it.open();
    },

    async list() {
      const { client } = it;
      const has = client.getServerCapabilities();
      const found = { tools: (await client.listTools()).tools.map(t => t.name) };
      if (has.resources) {
        found.resources = (await client.listResources()).resources.map(r => r.uri);
        found.templates = (await client.listResourceTemplates()).resourceTemplates.map(t => t.uriTemplate);
      }
      if (has.prompts) {
        found.prompts = (await client.listPrompts()).prompts.map(p => p.name);
      }
      return found;
    },

    async call(params, id) {
      const abort = new AbortController();
      calls.set(id, abort);
      try {
        const { progress, ...call } = params;
        const options = { signal: abort.signal };
        if (progress) {
          options.onprogress = p => emit('notifications/progress', { call: id, ...p });
        }
        return await it.callTool(call, options);
      } finally {
        calls.delete(id);
      }
    },

    async cancel({ call }) {
      calls.get(call).abort('the driver was told to');
      return {};
    },

    prompt: params => it.client.getPrompt(params),
    read: params => it.client.readResource(params),
    complete: params => it.client.complete(params),
    subscribe: params => it.subscribe(params),
    unsubscribe: params => it.unsubscribe(params),
    watch: () => it.watch(),
    level: ({ level }) => it.client.setLoggingLevel(level),
    ping: () => it.client.ping(),

    async close() {
      await it.terminate();
      await it.client.close();
      return {};
    },
  };

  const run = async ({ id, op, params }) => {
    let reply;
    try {
      reply = { id, result: (await operations[op](params, id)) ?? {} };
    } catch (error) {
      reply = { id, error: { code: Number(error.code) || 0, message: String(error.message ?? error) } };
    }
    process.stdout.write(JSON.stringify(reply) + '\n');
  };
  createInterface({ input: process.stdin })
    .on('line', line => run(JSON.parse(line)))
    .on('close', () => process.exit(0));
}
