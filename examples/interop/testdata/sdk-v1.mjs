// SPDX-License-Identifier: Apache-2.0

// The driver of the TypeScript SDK's version 1, @modelcontextprotocol/sdk.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { abilities, drive, elicit, emit } from './driver.mjs';

drive(async ({ url, command, plain, sampling, elicitation, roots }) => {
  const client = new Client(
    { name: 'interop-typescript-v1', version: '1.0.0' },
    { capabilities: plain ? {} : abilities },
  );
  const answer = (schema, result) =>
    client.setRequestHandler(schema, async ({ method, params }) => {
      emit(method, params);
      return result(params);
    });
  if (!plain) {
    answer(CreateMessageRequestSchema, () => sampling);
    answer(ElicitRequestSchema, asked => elicit(asked, elicitation));
    answer(ListRootsRequestSchema, () => ({ roots }));
  }
  const transport = url
    ? new StreamableHTTPClientTransport(new URL(url))
    : new StdioClientTransport({ command: command[0], args: command.slice(1) });
  return {
    client,
    async open() {
      // The SDK tells the version to its transport alone.
      let version;
      const told = transport.setProtocolVersion?.bind(transport);
      transport.setProtocolVersion = v => {
        version = v;
        told?.(v);
      };
      await client.connect(transport);
      return { version, server: client.getServerVersion(), capabilities: client.getServerCapabilities() };
    },
    callTool: (params, options) => client.callTool(params, undefined, options),
    subscribe: params => client.subscribeResource(params),
    unsubscribe: params => client.unsubscribeResource(params),
    watch: async () => {}, // it is told of changes unasked
    terminate: async () => transport.terminateSession?.(),
  };
});
