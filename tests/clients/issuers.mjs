// OpenID Connect issuers for the tests: COUNT providers, each on a port of its own, told by `POST /control` what to be.
// Prints their addresses as a JSON list, and ends when its input does.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const RESOURCES = {
  'urn:crm-graph': { audience: 'crm-graph' },
  'urn:elsewhere': { audience: 'elsewhere' },
  'urn:plain': { audience: 'crm-graph' },
};

function newKey(alg) {
  const { privateKey } = alg === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' };
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

class Issuer {
  people = {};
  clients = [];
  keys = [newKey('RS256'), newKey('ES256')];
  asked = {};
  answers = {};

  async start() {
    this.server = createServer((request, response) => this.answer(request, response));
    this.port = await new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => resolve(this.server.address().port));
    });
    this.url = `http://127.0.0.1:${this.port}`;
    this.build();
    return this.url;
  }

  build() {
    const provider = new Provider(this.url, {
      clients: this.clients,
      jwks: { keys: this.keys },
      cookies: { keys: ['only for tests'] },
      claims: { profile: ['name', 'preferred_username', 'locale'], email: ['email'], groups: ['groups'] },
      scopes: ['openid', 'profile', 'email', 'groups'],
      clientDefaults: { id_token_signed_response_alg: this.keys[0].alg },
      conformIdTokenClaims: false,
      ttl: { AccessToken: 600, IdToken: 600, Session: 600, Interaction: 600, Grant: 600 },
      findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...this.people[sub] }) }),
      extraTokenClaims: (ctx, token) => this.people[token.accountId],
      features: {
        devInteractions: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => undefined,
          useGrantedResource: () => true,
          getResourceServerInfo: (ctx, resource, client) => ({
            ...RESOURCES[resource],
            scope: 'openid',
            accessTokenFormat: 'jwt',
            accessTokenTTL: 600,
            jwt: { sign: { alg: this.keys[0].alg } },
          }),
        },
      },
      formats: {
        customizers: {
          jwt(ctx, token, jwt) {
            if (token.resourceServer.identifier() === 'urn:plain') jwt.header = { ...jwt.header, typ: 'JWT' };
          },
        },
      },
    });
    this.handle = provider.callback();
  }

  async answer(request, response) {
    const path = new URL(request.url, this.url).pathname;
    if (path === '/control') {
      await this.control(await body(request));
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ asked: this.asked, keys: this.keys }));
      return;
    }
    this.asked[path] = (this.asked[path] ?? 0) + 1;
    const instead = this.answers[path];
    if (instead) {
      response.writeHead(instead.status ?? 200, { 'Content-Type': 'application/json', ...instead.headers });
      response.end(instead.length ? ' '.repeat(instead.length) : JSON.stringify(instead.json));
      return;
    }
    this.handle(request, response);
  }

  // What it is told to be from now on: whom it knows, which clients, new keys, what it answers instead.
  async control({ people, clients, rotate, answers }) {
    if (people) Object.assign(this.people, people);
    if (clients) this.clients = clients;
    if (rotate) this.keys = [newKey(rotate)];
    if (answers) this.answers = answers;
    if (clients || rotate) this.build();
  }
}

const issuers = Array.from({ length: Number(process.env.COUNT ?? 1) }, () => new Issuer());
console.log(JSON.stringify(await Promise.all(issuers.map((issuer) => issuer.start()))));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
