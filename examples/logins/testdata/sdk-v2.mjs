// SPDX-License-Identifier: Apache-2.0

// @modelcontextprotocol/client, the TypeScript SDK's version 2.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { login } from './sdk.mjs';

await login({
  Client, UnauthorizedError,
  Transport: StreamableHTTPClientTransport,
  finish: (transport, answer) => transport.finishAuth(answer),
});
