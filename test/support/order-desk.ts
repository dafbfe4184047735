import { type TestApp } from './app.js';

/** What an order has been through, as its journal tells: `pending`, `processing`, … */
export async function storyOf(daybook: TestApp, orderId: string): Promise<readonly string[]> {
  const rows = await daybook.database.query<{ status: string }>(
    `SELECT data->'after'->>'status' AS status FROM journal
     WHERE entity_type = 'order' AND entity_id = $1 ORDER BY version`,
    [orderId],
  );
  return rows.map(({ status }) => status);
}

/** Places an order for one piece of the product and returns its id. */
export async function placeOrder(daybook: TestApp, sku: string, more: object = {}): Promise<string> {
  const body = { lines: [{ sku, quantity: 1 }], ...more };
  const answer = await daybook.api('POST', '/orders', { body });
  if (answer.status !== 201) throw new Error(`Expected 201, got ${answer.status}: ${answer.text}`);
  return answer.body.id as string;
}
