// SPDX-License-Identifier: Apache-2.0
// An OpenID provider with a few people, on a free port of 127.0.0.1. It prints
// its issuer. Each line of its standard input is JSON that changes what it knows
// of people, and is answered with "ok"; it ends with its standard input.
import http from 'node:http';
import readline from 'node:readline';
import Provider from 'oidc-provider';

const people = {
  alice: { preferred_username: 'alice', email: 'alice@example.com', email_verified: true, groups: ['staff'] },
  // Says to be alice, as people can at some providers.
  mallory: { preferred_username: 'alice', email: 'alice@example.com', email_verified: false, groups: ['guests'] },
};

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
    findAccount: (ctx, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    features: { registration: { enabled: true, initialAccessToken: 'initial' } },
  });
  server.on('request', provider.callback());
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    for (const [id, change] of Object.entries(JSON.parse(line))) {
      if (change === null) delete people[id];
      else Object.assign(people[id], change);
    }
    console.log('ok');
  }).on('close', () => process.exit());
  console.log(issuer);
});
