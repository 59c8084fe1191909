// SPDX-License-Identifier: Apache-2.0

// oauth4webapi: a client that checks whatever the RFCs let it check, once for
// each way to find the server, and a resource server that checks tokens.
import * as oauth from 'oauth4webapi';
import { open, run } from './person.mjs';

const insecure = { [oauth.allowInsecureRequests]: true }; // http on loopback

await run(async ({ redirectUri, callback, args: [resource, algorithm, method, asker, askerSecret] }) => {
  const rs = await oauth.processResourceDiscoveryResponse(new URL(resource), await oauth.resourceDiscoveryRequest(new URL(resource), insecure));
  const issuer = new URL(rs.authorization_servers[0]);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }));

  const client = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, {
    client_name: 'oauth4webapi', redirect_uris: [redirectUri], token_endpoint_auth_method: method,
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
  }, insecure));
  const authentication = {
    none: () => oauth.None(),
    client_secret_basic: () => oauth.ClientSecretBasic(client.client_secret),
    client_secret_post: () => oauth.ClientSecretPost(client.client_secret),
  }[method]();

  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const page = new URL(as.authorization_endpoint);
  for (const [name, value] of Object.entries({
    response_type: 'code', client_id: client.client_id, redirect_uri: redirectUri, scope: 'mcp:read offline_access', resource, state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })) page.searchParams.set(name, value);
  open(page);
  const answer = oauth.validateAuthResponse(as, client, await callback, state); // RFC 9207 too
  const iss = answer.get('iss');
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, await oauth.authorizationCodeGrantRequest(
    as, client, authentication, answer, redirectUri, verifier, { additionalParameters: { resource }, ...insecure }));

  const check = async token => oauth.validateJwtAccessToken(
    as, new Request(resource, { headers: { Authorization: `Bearer ${token}` } }), resource, insecure); // RFC 9068
  const claims = await check(tokens.access_token);
  const refreshed = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(
    as, client, authentication, tokens.refresh_token, { additionalParameters: { resource }, ...insecure }));
  const claimsRefreshed = await check(refreshed.access_token);

  const resourceServer = { client_id: asker };
  const ask = async token => oauth.processIntrospectionResponse(as, resourceServer, await oauth.introspectionRequest(
    as, resourceServer, oauth.ClientSecretBasic(askerSecret), token, insecure)); // RFC 7662
  const alive = await ask(refreshed.access_token);
  await oauth.processRevocationResponse(await oauth.revocationRequest(
    as, client, authentication, refreshed.refresh_token, insecure)); // RFC 7009
  const dead = await ask(refreshed.access_token);

  return {
    iss, issuer: as.issuer, who: claims.sub, whoRefreshed: claimsRefreshed.sub, scope: tokens.scope, refreshed: refreshed.refresh_token !== tokens.refresh_token,
    active: alive.active, subject: alive.sub, activeRevoked: dead.active, logins: 1,
  };
});
