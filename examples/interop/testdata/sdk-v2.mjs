// SPDX-License-Identifier: Apache-2.0

// The driver of the TypeScript SDK's version 2, @modelcontextprotocol/client.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { abilities, drive, elicit, emit } from './driver.mjs';

const modes = { auto: 'auto', legacy: 'legacy', modern: { pin: '2026-07-28' } };

drive(async ({ url, command, era, plain, sampling, elicitation, roots }) => {
  const client = new Client(
    { name: 'interop-typescript-v2', version: '1.0.0' },
    {
      capabilities: plain ? {} : abilities,
      versionNegotiation: { mode: modes[era] },
    },
  );
  const answer = (method, result) =>
    client.setRequestHandler(method, async ({ params }) => {
      emit(method, params);
      return result(params);
    });
  if (!plain) {
    answer('sampling/createMessage', () => sampling);
    answer('elicitation/create', asked => elicit(asked, elicitation));
    answer('roots/list', () => ({ roots }));
  }
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command: command[0], args: command.slice(1) });
  const listening = new Map(); // URI -> subscription
  const modern = () => client.getProtocolEra() === 'modern';
  return {
    client,
    async open() {
      await client.connect(transport);
      return {
        version: client.getNegotiatedProtocolVersion(),
        server: client.getServerVersion(),
        capabilities: client.getServerCapabilities(),
      };
    },
    callTool: (params, options) => client.callTool(params, options),
    async subscribe({ uri }) {
      if (!modern()) return client.subscribeResource({ uri });
      listening.set(uri, await client.listen({ resourceSubscriptions: [uri] }));
    },
    async unsubscribe({ uri }) {
      if (!modern()) return client.unsubscribeResource({ uri });
      await listening.get(uri).close();
    },
    async watch() {
      if (modern()) await client.listen({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true });
    },
    terminate: async () => transport.terminateSession?.(),
  };
});
