// SPDX-License-Identifier: Apache-2.0

// A login with the TypeScript SDK of either version: what an MCP client does
// that keeps nothing.
import { open, run } from './person.mjs';

/** The SDK's OAuthClientProvider. */
class Provider {
  constructor(redirectUri) {
    this.redirectUrl = redirectUri;
    this.logins = 0;
    this.clientMetadata = {
      client_name: 'TypeScript SDK',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }
  state() { return 'a state of the client'; }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.saved; }
  saveTokens(tokens) { this.saved = tokens; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
  saveDiscoveryState(state) { this.discovery = state; }
  discoveryState() { return this.discovery; }
  redirectToAuthorization(url) {
    this.logins++;
    open(url);
  }
}

export function login({ Client, Transport, UnauthorizedError, finish }) {
  return run(async ({ redirectUri, callback, args: [url] }) => {
    const authProvider = new Provider(redirectUri);
    const newTransport = () => new Transport(new URL(url), { authProvider });
    const newClient = () => new Client({ name: 'logins', version: '1.0.0' });

    const first = newTransport();
    await newClient().connect(first).then(
      () => { throw new Error('connected without a login'); },
      error => { if (!(error instanceof UnauthorizedError)) throw error; },
    );
    const redirect = await callback;
    if (redirect.searchParams.get('state') !== authProvider.state()) throw new Error('another state came back');
    await finish(first, redirect.searchParams);

    const client = newClient();
    await client.connect(newTransport());
    const whoAmI = async () => (await client.callTool({ name: 'whoami', arguments: {} })).content[0].text;
    const who = await whoAmI();
    const before = authProvider.saved;
    authProvider.saved = { ...before, access_token: 'one-that-has-expired' };
    const whoRefreshed = await whoAmI();
    await client.close();
    return {
      who, whoRefreshed, logins: authProvider.logins, scope: before.scope,
      refreshed: authProvider.saved.access_token !== before.access_token && authProvider.saved.refresh_token !== before.refresh_token,
    };
  });
}
