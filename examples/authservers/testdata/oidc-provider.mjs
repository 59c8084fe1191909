// SPDX-License-Identifier: Apache-2.0
// An authorization server on a free port of 127.0.0.1, with all that oauthdyn
// can use turned on. The arguments are the key set of the client "robot", the
// initial access token, and the secret of the client "asker". It prints its
// issuer, and ends with its standard input.
//
// Tokens for resources at /jwt are JWTs, others are opaque. Those for /stale
// below a resource have been expired for an hour; they and those for /foreign
// are meant for the resource itself.
import http from 'node:http';
import Provider from 'oidc-provider';

const [robotKeys, initialAccessToken, askerSecret] = process.argv.slice(2);

function resourceServer(ctx, resource) {
  return {
    scope: 'read write',
    audience: resource.replace(/\/(stale|foreign)$/, ''),
    accessTokenFormat: new URL(resource).pathname.startsWith('/jwt') ? 'jwt' : 'opaque',
    accessTokenTTL: resource.endsWith('/stale') ? -3600 : 3600,
  };
}

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'robot',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      jwks: JSON.parse(robotKeys),
      scope: 'read',
    }, {
      client_id: 'asker',
      client_secret: askerSecret,
      grant_types: [],
      redirect_uris: [],
      response_types: [],
    }],
    scopes: ['openid', 'offline_access', 'read', 'write'],
    clientAuthMethods: ['none', 'private_key_jwt', 'client_secret_basic'],
    features: {
      registration: { enabled: true, initialAccessToken },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServer,
      },
    },
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
  });
  server.on('request', provider.callback());
  process.stdin.resume().on('end', () => process.exit());
  console.log(issuer);
});
