// SPDX-License-Identifier: Apache-2.0

// @modelcontextprotocol/sdk, the TypeScript SDK's version 1.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { login } from './sdk.mjs';

await login({
  Client, UnauthorizedError,
  Transport: StreamableHTTPClientTransport,
  finish: (transport, answer) => transport.finishAuth(answer.get('code')), // it does not want the issuer
});
