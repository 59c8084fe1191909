// SPDX-License-Identifier: Apache-2.0

// openid-client: a client that finds the server in either way.
import * as openid from 'openid-client';
import { open, run } from './person.mjs';

await run(async ({ redirectUri, callback, args: [resource, algorithm, method] }) => {
  const metadata = await (await fetch(new URL('/.well-known/oauth-protected-resource/mcp', resource))).json();
  const authentication = { none: openid.None(), client_secret_basic: openid.ClientSecretBasic(), client_secret_post: openid.ClientSecretPost() }[method];
  const config = await openid.dynamicClientRegistration(new URL(metadata.authorization_servers[0]), {
    client_name: 'openid-client', redirect_uris: [redirectUri], token_endpoint_auth_method: method,
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
  }, authentication, { algorithm, execute: [openid.allowInsecureRequests] }); // http on loopback

  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  open(openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: 'mcp:read offline_access', resource, state,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }));
  const tokens = await openid.authorizationCodeGrant(config, await callback, { pkceCodeVerifier: verifier, expectedState: state }, { resource });
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token, { resource });
  const call = async token => {
    const answer = await openid.fetchProtectedResource(config, token, new URL('/whoami', resource), 'GET');
    if (!answer.ok) throw new Error(`whoami: ${answer.status}`);
    return answer.text();
  };
  const who = await call(tokens.access_token);
  const whoRefreshed = await call(refreshed.access_token);
  await openid.tokenRevocation(config, refreshed.refresh_token);
  const again = await openid.refreshTokenGrant(config, refreshed.refresh_token).then(() => 'granted', error => error.error);
  return { who, whoRefreshed, scope: tokens.scope, refreshed: refreshed.refresh_token !== tokens.refresh_token, again, logins: 1 };
});
