// SPDX-License-Identifier: Apache-2.0
// oidc-provider with its adapter in memory, which issues signed access tokens.
// The arguments are the module, HOST:PORT to listen on, the id and the secret of
// a client for the client credentials grant, and the resource. POST /grant makes
// a grant of a public client and answers with a refresh token of it.
import http from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [module, address, robot, robotSecret, resource] = process.argv.slice(1);
const { default: Provider } = await import(pathToFileURL(module));
const [host, port] = address.split(':');
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const provider = new Provider(`http://${address}`, {
  clients: [{
    client_id: robot,
    client_secret: robotSecret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: 'mcp',
  }, {
    client_id: 'person',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['https://client.example/cb'],
    response_types: ['code'],
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'bench' }] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  scopes: ['openid', 'offline_access', 'mcp'],
  clientAuthMethods: ['none', 'client_secret_basic'],
  cookies: { keys: ['bench'] },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'mcp', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 900, jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  rotateRefreshToken: true,
  ttl: { AccessToken: 900, ClientCredentials: 900, RefreshToken: 86400, Grant: 86400 },
});

async function makeGrant() {
  const client = await provider.Client.find('person');
  const grant = new provider.Grant({ accountId: 'alice', clientId: client.clientId });
  grant.addOIDCScope('offline_access');
  grant.addResourceScope(resource, 'mcp');
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId: 'alice', client, grantId, gty: 'authorization_code', scope: 'offline_access mcp', resource,
    authTime: Math.floor(Date.now() / 1000),
  });
  return { client_id: client.clientId, refresh_token: await token.save() };
}

const serve = provider.callback();
http.createServer((req, res) => {
  if (req.url !== '/grant') return serve(req, res);
  makeGrant().then((grant) => res.end(JSON.stringify(grant)), (error) => { res.statusCode = 500; res.end(String(error)); });
}).listen(Number(port), host);
