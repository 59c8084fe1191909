// SPDX-License-Identifier: Apache-2.0

// The driver of the TypeScript SDK's version 2, @modelcontextprotocol/client.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { drive, emit } from './driver.mjs';

drive(async ({ url, command, era, sampling, elicitation, roots }) => {
  const client = new Client(
    { name: 'interop-typescript-v2', version: '1.0.0' },
    {
      capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } },
      versionNegotiation: { mode: era === 'legacy' ? 'legacy' : 'auto' },
    },
  );
  const answer = (method, result) =>
    client.setRequestHandler(method, async ({ params }) => {
      emit(method, params);
      return result;
    });
  answer('sampling/createMessage', sampling);
  answer('elicitation/create', elicitation);
  answer('roots/list', { roots });
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
    terminate: async () => transport.terminateSession?.(),
  };
});
