import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

import { launchBrowser, type TestBrowser, whyNoBrowser } from './browser.js';
import { type NewcomersServer, startNewcomersServer } from './newcomer.js';
import { SwaggerPage } from './swagger-page.js';

const obstacle = whyNoBrowser();
if (obstacle !== undefined) console.warn(`Swagger UI is not tried out in a browser: ${obstacle}.`);
const describeInBrowser = obstacle === undefined ? describe : describe.skip;

let newcomer: NewcomersServer;
let origin: string;

beforeAll(async () => {
  newcomer = await startNewcomersServer();
  origin = newcomer.server.origin;
});

afterAll(() => newcomer?.stop());

describeInBrowser('Swagger UI in a browser', () => {
  let chromium: TestBrowser;

  beforeAll(async () => {
    chromium = await launchBrowser({ width: 1200, height: 1000 });
  });

  afterAll(() => chromium?.close());

  const open = () => SwaggerPage.open(chromium.browser, origin);

  it('shows the orders first, is authorised, and needs nothing from anywhere else', async () => {
    const swagger = await open();
    expect(await swagger.groups()).toEqual(
      expect.arrayContaining(['Orders', 'Catalogue and stock', 'Audit']),
    );
    expect((await swagger.groups())[0]).toBe('Orders');
    expect(await swagger.isAuthorised()).toBe(true);
    expect(swagger.complaints).toEqual([]);
  });

  it('lets a client place an order with the example, read it, cancel it and see who did what', async () => {
    const swagger = await open();
    const answerOf = async (method: string, path: string) => {
      const operation = await swagger.expand(method, path);
      const { status, body } = await operation.execute();
      return { status, body: JSON.parse(body) };
    };

    const placed = await answerOf('POST', '/orders');
    const id = `${today()}-00001`;
    expect(placed).toMatchObject({
      status: '201',
      body: { id, status: 'pending', totalCents: 3990, version: 1 },
    });

    // The number of today's first order is filled in already.
    expect(await answerOf('GET', '/orders/{id}')).toEqual({ status: '200', body: placed.body });
    const transitions = await answerOf('GET', '/orders/{id}/transitions');
    expect(transitions).toMatchObject({ status: '200', body: { status: 'pending' } });
    expect(transitions.body.allowed).toContain('cancelled');

    const cancelled = await answerOf('PATCH', '/orders/{id}');
    expect(cancelled).toMatchObject({ status: '200', body: { id, status: 'cancelled', version: 2 } });

    const audit = await answerOf('GET', '/orders/{id}/audit');
    expect(audit.body.data).toMatchObject([
      { type: 'order.placed', actor: 'developer', entityId: id },
      { type: 'order.status_changed', actor: 'developer', data: { after: { status: 'cancelled' } } },
    ]);
    expect(swagger.complaints).toEqual([]);
  });

  it('lets a client create a product, receive stock and order it', async () => {
    const swagger = await open();
    const products = await swagger.expand('POST', '/products');
    const { sku } = JSON.parse(await products.body()) as { sku: string };
    expect(await products.execute()).toMatchObject({ status: '201' });

    const adjustments = await swagger.expand('POST', '/stock-adjustments');
    await adjustments.writeBody(JSON.stringify({ sku, quantityDelta: 12, reason: 'received' }));
    expect((await adjustments.execute()).status).toBe('201');

    const orders = await swagger.expand('POST', '/orders');
    await orders.writeBody(JSON.stringify({ lines: [{ sku, quantity: 5 }] }));
    expect((await orders.execute()).status).toBe('201');

    const stock = await swagger.expand('GET', '/products/{sku}/stock');
    await stock.writeParameter('sku', sku);
    expect(JSON.parse((await stock.execute()).body)).toMatchObject({
      onHand: 12,
      allocated: 5,
      available: 7,
    });
    expect(swagger.complaints).toEqual([]);
  });

  it('shows which field is wrong, and the order once it is mended', async () => {
    const swagger = await open();
    const orders = await swagger.expand('POST', '/orders');
    const example = await orders.body();

    await orders.writeBody(example.replace('"quantity": 2', '"quantity": 0'));
    const refused = await orders.execute();
    expect(refused.status).toBe('400');
    expect(JSON.parse(refused.body)).toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'lines[0].quantity' }],
    });

    await orders.writeBody(example);
    expect((await orders.execute()).status).toBe('201');
  });

  it('keeps the development token from pages of other sites', async () => {
    const otherSite = createServer((_, response) => {
      response.setHeader('content-type', 'text/html').end('<title>Another site</title>');
    }).listen(0, '127.0.0.1');
    await once(otherSite, 'listening');
    const page = await chromium.browser.newPage();
    const refusals: (string | undefined)[] = [];
    page.on('requestfailed', (failed) => refusals.push(failed.failure()?.errorText));
    await page.goto(`http://127.0.0.1:${(otherSite.address() as AddressInfo).port}`);
    const loading = page.addScriptTag({ url: `${origin}/docs/swagger-ui-init.js` });
    await expect(loading).rejects.toThrow('Could not load script');
    expect(refusals).toEqual(['net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin']);
    await page.close();
    otherSite.close();
  });
});

describe('without auth configuration', () => {
  it.each(['rebound.example', 'localhost.example', '10.0.0.1', '[::2]'])(
    'refuses the host name %s',
    async (host) => {
      expect(await statusFor(host)).toBe(403);
    },
  );

  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '[::1]', 'daybook.localhost'])(
    'answers to %s',
    async (host) => {
      expect(await statusFor(host)).toBe(200);
    },
  );
});

/** The day in the numbers of orders; business time is UTC unless configured otherwise. */
function today(): string {
  return new Date().toISOString().slice(0, 10).replaceAll('-', '');
}

function statusFor(host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { host: `${host}:${new URL(origin).port}` };
    request(`${origin}/docs/swagger-ui-init.js`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
