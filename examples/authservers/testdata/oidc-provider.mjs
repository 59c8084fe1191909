// SPDX-License-Identifier: Apache-2.0
// An authorization server on a free port of 127.0.0.1, with all that oauthdyn
// can use turned on. The arguments are the key set of the client "robot", and
// the lifetime of access tokens in seconds. It prints its issuer, and ends with
// its standard input.
import http from 'node:http';
import Provider from 'oidc-provider';

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
      jwks: JSON.parse(process.argv[2]),
      scope: 'read',
    }],
    scopes: ['openid', 'offline_access', 'read'],
    clientAuthMethods: ['none', 'private_key_jwt'],
    features: {
      registration: { enabled: true, initialAccessToken: 'initial' },
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
        getResourceServerInfo: (ctx, resource) => ({ scope: 'read', audience: resource, accessTokenFormat: 'opaque' }),
      },
    },
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: { AccessToken: () => Number(process.argv[3]) },
  });
  server.on('request', provider.callback());
  process.stdin.resume().on('end', () => process.exit());
  console.log(issuer);
});
