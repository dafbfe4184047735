import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type GenerateKeyPairResult,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';

import { loadConfig } from '../config/config.js';
import { Overloaded, Unauthenticated } from '../errors/domain-error.js';
import { type Caller, TokenVerifier } from './token-verifier.js';

const { jest } = import.meta;

const SECRET = 'a secret of no fewer than 32 characters';
const NOW = Date.parse('2026-11-20T12:00:00Z');
const NOW_SECONDS = NOW / 1000;

// Only time is fake; the network and the cryptography are real. The cache reads performance.now().
beforeEach(() => {
  jest.useFakeTimers({
    now: NOW,
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance', 'hrtime'],
  });
  jest.spyOn(performance, 'now').mockImplementation(() => Date.now());
});
afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

const passSeconds = (seconds: number) => jest.advanceTimersByTime(seconds * 1000);

const verifierFor = (environment: NodeJS.ProcessEnv) => new TokenVerifier(loadConfig(environment));

type Claims = Record<string, unknown>;

function sign(
  claims: Claims,
  key: CryptoKey | string = SECRET,
  header: JWTHeaderParameters = { alg: 'HS256' },
): Promise<string> {
  const material = typeof key === 'string' ? new TextEncoder().encode(key) : key;
  return new SignJWT({ sub: 'alice', ...claims }).setProtectedHeader(header).sign(material);
}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

async function expectRefused(verifier: TokenVerifier, token: string): Promise<void> {
  await expect(async () => verifier.verify(token)).rejects.toThrow(Unauthenticated);
}

describe('a token signed with the shared secret', () => {
  let verifier: TokenVerifier;
  beforeEach(() => (verifier = verifierFor({ AUTH_JWT_SECRET: SECRET })));

  it('speaks for its subject, with the roles that Daybook knows', async () => {
    const token = await sign({ roles: ['operator', 'emperor', 'customer'] });
    expect(await verifier.verify(token)).toEqual({
      subject: 'alice',
      roles: ['customer', 'operator'],
      expiresAt: Infinity,
    });
  });

  it.each<[what: string, roles: unknown]>([
    ['none', undefined],
    ['an empty list', []],
    ['a text instead of a list', 'admin'],
    ['nested lists', [['admin']]],
    ['only strangers', ['root', 7, null]],
  ])('has no role when its roles are %s', async (_, roles) => {
    expect(await verifier.verify(await sign({ roles }))).toMatchObject({ subject: 'alice', roles: [] });
  });

  it.each<[what: string, claims: Claims]>([
    ['has expired', { exp: NOW_SECONDS - 6 }],
    ['is not valid yet', { nbf: NOW_SECONDS + 6 }],
    ['has an expiry that is no time', { exp: 'tomorrow' }],
    ['has no subject', { sub: undefined }],
    ['has an empty subject', { sub: '' }],
    ['has a subject that is no text', { sub: 7 }],
    ['has a subject with a control character', { sub: 'alice\nbob' }],
    ['has a subject too long to store', { sub: 'a'.repeat(256) }],
    ['has a subject that is not well-formed text', { sub: 'a\ud800' }],
  ])('is refused when it %s', async (_, claims) => {
    await expectRefused(verifier, await sign(claims));
  });

  it('tells when it expires, also when it is asked for again', async () => {
    const exp = NOW_SECONDS + 60;
    const token = await sign({ exp });
    for (let times = 0; times < 2; times += 1)
      expect(await verifier.verify(token)).toMatchObject({ expiresAt: exp * 1000 });
  });

  it('is told apart from others when it has expired, so that the client knows to renew it', async () => {
    const expired = await sign({ exp: NOW_SECONDS - 60 });
    await expect(verifier.verify(expired)).rejects.toThrow('The token has expired.');
    await expect(verifier.verify(`${expired}x`)).rejects.toThrow('The token is not valid here.');
  });

  it('is let in when the clocks differ by a few seconds', async () => {
    expect(await verifier.verify(await sign({ exp: NOW_SECONDS - 4 }))).toMatchObject({ subject: 'alice' });
    expect(await verifier.verify(await sign({ nbf: NOW_SECONDS + 4 }))).toMatchObject({ subject: 'alice' });
  });

  it('is refused when it was signed with another secret', async () => {
    await expectRefused(verifier, await sign({}, 'another secret of at least 32 characters'));
  });

  it('is refused when its content was changed after it was signed', async () => {
    const [header, , signature] = (await sign({ roles: ['customer'] })).split('.');
    await expectRefused(verifier, `${header}.${encode({ sub: 'alice', roles: ['admin'] })}.${signature}`);
  });

  it('is refused when it claims to need no signature', async () => {
    const payload = encode({ sub: 'alice', roles: ['admin'] });
    for (const alg of ['none', 'None', 'NONE', ''])
      await expectRefused(verifier, `${encode({ alg })}.${payload}.`);
  });

  it('is refused under every other algorithm, even with a right signature', async () => {
    await expectRefused(verifier, await sign({}, SECRET.padEnd(64, 'x'), { alg: 'HS512' }));
    const longer = verifierFor({ AUTH_JWT_SECRET: SECRET.padEnd(64, 'x') });
    await expectRefused(longer, await sign({}, SECRET.padEnd(64, 'x'), { alg: 'HS512' }));
    const { privateKey } = await generateKeyPair('RS256');
    await expectRefused(verifier, await sign({}, privateKey, { alg: 'RS256' }));
  });

  it.each(['', 'x', 'a.b.c', '..', `${encode({ alg: 'HS256' })}..`, 'x'.repeat(10_000)])(
    'is refused when it is %j',
    async (text) => {
      await expectRefused(verifier, text);
    },
  );
});

describe('the issuer and the audience', () => {
  const environment = {
    AUTH_JWT_SECRET: SECRET,
    AUTH_ISSUER: 'https://id.example',
    AUTH_AUDIENCE: 'daybook',
  };
  const right = { iss: 'https://id.example', aud: 'daybook' };

  it('are let in when they are the configured ones', async () => {
    const verifier = verifierFor(environment);
    expect(await verifier.verify(await sign(right))).toMatchObject({ subject: 'alice' });
    expect(await verifier.verify(await sign({ ...right, aud: ['other', 'daybook'] }))).toMatchObject({
      subject: 'alice',
    });
  });

  it.each<Claims>([
    { iss: 'https://evil.example' },
    { iss: undefined },
    { iss: 'https://id.example/' },
    { aud: 'nightbook' },
    { aud: undefined },
    { aud: [] },
  ])('are refused when they differ: %p', async (change) => {
    await expectRefused(verifierFor(environment), await sign({ ...right, ...change }));
  });

  it('are of no interest when none is configured', async () => {
    const verifier = verifierFor({ AUTH_JWT_SECRET: SECRET });
    expect(await verifier.verify(await sign({ iss: 'anyone', aud: 'anything' }))).toMatchObject({
      subject: 'alice',
    });
  });
});

describe('a token seen before', () => {
  let verifier: TokenVerifier;
  beforeEach(() => (verifier = verifierFor({ AUTH_JWT_SECRET: SECRET })));

  const isKnown = (answer: Caller | Promise<Caller>) => !(answer instanceof Promise);

  it('is answered at once', async () => {
    const token = await sign({ exp: NOW_SECONDS + 3600 });
    const caller = await verifier.verify(token);
    expect(verifier.verify(token)).toBe(caller);
  });

  it('is refused as soon as it has expired', async () => {
    const token = await sign({ exp: NOW_SECONDS + 60 });
    await verifier.verify(token);
    passSeconds(59);
    expect(isKnown(verifier.verify(token))).toBe(true);
    passSeconds(7);
    await expectRefused(verifier, token);
  });

  it('is checked again every five minutes, whenever it expires', async () => {
    for (const exp of [undefined, NOW_SECONDS + 86_400, NOW_SECONDS + 86_400.0001]) {
      const token = await sign({ exp, jti: String(exp) });
      await verifier.verify(token);
      passSeconds(299);
      expect(isKnown(verifier.verify(token))).toBe(true);
      passSeconds(2);
      const again = verifier.verify(token);
      expect(isKnown(again)).toBe(false);
      expect(await again).toMatchObject({ subject: 'alice' });
    }
  });

  it('and refused is checked again', async () => {
    const early = await sign({ nbf: NOW_SECONDS + 60 });
    await expectRefused(verifier, early);
    passSeconds(60);
    expect(await verifier.verify(early)).toMatchObject({ subject: 'alice' });
  });

  it('does not lend its caller to a token that merely resembles it', async () => {
    const token = await sign({});
    await verifier.verify(token);
    await expectRefused(verifier, `${token}A`);
    await expectRefused(verifier, token.slice(0, -1));
  });
});

/** A key server: what it answers can be changed at any time. */
class KeyServer {
  answer: { status: number; body: string } = { status: 200, body: '' };
  requests = 0;
  private server: Server | undefined;
  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}/keys`;
  }

  async start(): Promise<void> {
    this.server = createServer((_, response) => {
      this.requests += 1;
      response.writeHead(this.answer.status, { 'content-type': 'application/json', connection: 'close' });
      response.end(this.answer.body);
    });
    await new Promise<void>((resolve) => this.server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.server = undefined;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async publish(keys: Record<string, GenerateKeyPairResult>): Promise<void> {
    const published = Object.entries(keys).map(async ([kid, { publicKey }]) => ({
      ...(await exportJWK(publicKey)),
      kid,
    }));
    this.answer = { status: 200, body: JSON.stringify({ keys: await Promise.all(published) }) };
  }
}

describe('a token signed with a key of the key server', () => {
  const keyServer = new KeyServer();
  let rsa: GenerateKeyPairResult;
  let otherRsa: GenerateKeyPairResult;
  let verifier: TokenVerifier;

  beforeAll(async () => {
    [rsa, otherRsa] = await Promise.all([
      generateKeyPair('RS256', { extractable: true }),
      generateKeyPair('RS256', { extractable: true }),
    ]);
  });
  beforeEach(async () => {
    await keyServer.start();
    await keyServer.publish({ first: rsa });
    keyServer.requests = 0;
    verifier = verifierFor({ AUTH_JWKS_URL: keyServer.url });
  });
  afterEach(() => keyServer.stop());

  const signWith = (pair: GenerateKeyPairResult, kid: string, claims: Claims = {}, alg = 'RS256') =>
    sign(claims, pair.privateKey, { alg, kid });

  it.each(['RS256', 'ES256', 'EdDSA'])('is let in under %s', async (alg) => {
    const pair = await generateKeyPair(alg, { extractable: true });
    await keyServer.publish({ mine: pair });
    const token = await signWith(pair, 'mine', { roles: ['operator'] }, alg);
    expect(await verifier.verify(token)).toMatchObject({ subject: 'alice', roles: ['operator'] });
  });

  it('makes the keys be fetched once for many tokens', async () => {
    for (const sub of ['alice', 'bob', 'carol']) await verifier.verify(await signWith(rsa, 'first', { sub }));
    expect(keyServer.requests).toBe(1);
  });

  it('is refused when it was signed with the public key as if that were a shared secret', async () => {
    const jwk = await exportJWK(rsa.publicKey);
    for (const secret of [await exportSPKI(rsa.publicKey), JSON.stringify(jwk), keyServer.answer.body]) {
      await expectRefused(verifier, await sign({ roles: ['admin'] }, secret, { alg: 'HS256', kid: 'first' }));
    }
  });

  it('is refused when it claims to need no signature', async () => {
    await expectRefused(verifier, `${encode({ alg: 'none', kid: 'first' })}.${encode({ sub: 'alice' })}.`);
  });

  it('is refused when the key is another one, whatever the token calls it', async () => {
    await expectRefused(verifier, await signWith(otherRsa, 'first'));
    await expectRefused(verifier, await signWith(otherRsa, 'second'));
  });

  it('is refused when it brings its own key along', async () => {
    const jwk = await exportJWK(otherRsa.publicKey);
    await expectRefused(verifier, await sign({}, otherRsa.privateKey, { alg: 'RS256', kid: 'mine', jwk }));
  });

  it('is let in with a new key soon after the keys were rotated, without a restart', async () => {
    await verifier.verify(await signWith(rsa, 'first'));
    await keyServer.publish({ second: otherRsa });
    const fresh = await signWith(otherRsa, 'second');
    passSeconds(31);
    expect(await verifier.verify(fresh)).toMatchObject({ subject: 'alice' });
  });

  it('is refused some minutes after its key was withdrawn', async () => {
    const token = await signWith(rsa, 'first', { exp: NOW_SECONDS + 86_400 });
    await verifier.verify(token);
    await keyServer.publish({ second: otherRsa });
    passSeconds(601);
    await expectRefused(verifier, token);
  });

  it.each<[what: string, status: number, body: string]>([
    ['fails', 500, '{}'],
    ['sends its login page', 302, ''],
    ['does not speak JSON', 200, '<html>'],
    ['speaks of something else', 200, '{"hello":"world"}'],
  ])('is not blamed when the key server %s: the caller may come back', async (_, status, body) => {
    const token = await signWith(rsa, 'first');
    keyServer.answer = { status, body };
    await expect(verifier.verify(token)).rejects.toThrow(Overloaded);
    await keyServer.publish({ first: rsa });
    expect(await verifier.verify(token)).toMatchObject({ subject: 'alice' });
  });

  it('is not blamed when the key server cannot be reached: the caller may come back', async () => {
    const token = await signWith(rsa, 'first');
    await keyServer.stop();
    await expect(verifier.verify(token)).rejects.toThrow(Overloaded);
    await keyServer.start();
    expect(await verifier.verify(token)).toMatchObject({ subject: 'alice' });
  });

  it('is still let in without the key server when its key is known', async () => {
    await verifier.verify(await signWith(rsa, 'first'));
    await keyServer.stop();
    expect(await verifier.verify(await signWith(rsa, 'first', { sub: 'bob' }))).toMatchObject({
      subject: 'bob',
    });
  });
});

it('without a secret and without a key server there is no verifier', () => {
  expect(() => verifierFor({})).toThrow(/AUTH_JWT_SECRET or AUTH_JWKS_URL/);
});
