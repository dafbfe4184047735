import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { skuOf } from '../catalogue.ts';
import type { RequestFactory } from './load-plan.ts';

export interface OrderRequestOptions {
  /** Signs the customers' tokens (HS256); the contender is started with the same. */
  secret: string;
  customers: number;
  /** Products 1 to this number are ordered, two different ones an order … */
  products: number;
  /** … unless every order has one line for this one. */
  hotSku?: string;
}

/** Orders as many different customers would place them, each under a key that was never used before. */
export async function createRequests(options: OrderRequestOptions): Promise<RequestFactory> {
  const authorizations = await signTokens(options);
  const body = options.hotSku === undefined ? () => twoLines(options.products) : oneLine(options.hotSku);
  return () => ({
    method: 'POST',
    path: '/api/v1/orders',
    headers: [
      ['authorization', authorizations[Math.floor(Math.random() * authorizations.length)] ?? ''],
      ['idempotency-key', randomUUID()],
      ['content-type', 'application/json'],
    ],
    body: body(),
  });
}

function signTokens({ secret, customers }: OrderRequestOptions): Promise<string[]> {
  const key = new TextEncoder().encode(secret);
  return Promise.all(
    Array.from({ length: customers }, async (_, index) => {
      const token = new SignJWT({ roles: ['customer'] })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject(`customer-${String(index + 1).padStart(4, '0')}`)
        .setIssuedAt()
        .setExpirationTime('1d');
      return `Bearer ${await token.sign(key)}`;
    }),
  );
}

function twoLines(products: number): string {
  const first = Math.floor(Math.random() * products);
  // 1 to products - 1 further on, so never the same product twice.
  const second = (first + 1 + Math.floor(Math.random() * (products - 1))) % products;
  return `{"lines":[{"sku":"${skuOf(first + 1)}","quantity":1},{"sku":"${skuOf(second + 1)}","quantity":2}]}`;
}

function oneLine(sku: string): () => string {
  const body = `{"lines":[{"sku":"${sku}","quantity":1}]}`;
  return () => body;
}
