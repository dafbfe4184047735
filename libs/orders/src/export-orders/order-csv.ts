import type { OrderLineResponse } from '../order.dto.js';
import type { ExportedOrderResponse } from './export-orders.dto.js';

/**
 * The columns in their order. What is ours (numbers, statuses, times, cursors) stands as it is; what somebody typed is
 * made safe.
 */
const COLUMNS: readonly (readonly [name: string, cell: (order: ExportedOrderResponse) => string])[] = [
  ['id', ({ id }) => id],
  ['status', ({ status }) => status],
  ['customerId', ({ customerId }) => textCell(customerId)],
  ['clientOrderId', ({ clientOrderId }) => textCell(clientOrderId ?? '')],
  ['priority', ({ priority }) => priority],
  ['currency', ({ currency }) => currency],
  ['totalCents', ({ totalCents }) => String(totalCents)],
  ['lines', ({ lines }) => textCell(toLinesText(lines))],
  ['reservationId', ({ reservationId }) => reservationId ?? ''],
  ['placedAt', ({ placedAt }) => placedAt],
  ['updatedAt', ({ updatedAt }) => updatedAt],
  ['version', ({ version }) => String(version)],
  ['cursor', ({ cursor }) => cursor],
];

/** The header row, as RFC 4180 has it. */
export const CSV_HEADER = `${COLUMNS.map(([name]) => name).join(',')}\r\n`;

export function toCsvRow(order: ExportedOrderResponse): string {
  return `${COLUMNS.map(([, cell]) => cell(order)).join(',')}\r\n`;
}

/** What a person wants to know of an order without opening it: `2 x TEA-EARL-GREY; 1 x POT-1L`. */
function toLinesText(lines: readonly OrderLineResponse[]): string {
  return lines.map(({ sku, quantity }) => `${quantity} x ${sku}`).join('; ');
}

// What a spreadsheet takes for a formula, as OWASP lists it, at the start of a text; and behind a semicolon, because
// where that is the separator of lists a spreadsheet may begin a cell there. Quotes in front of it belong to it, so that
// taking one away again always gives what was stored.
const FORMULA = /(?<=^|;)(?='*(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\0]))/g;
const NEEDS_QUOTES = /[",;\r\n]/;

function textCell(text: string): string {
  const safe = text.replace(FORMULA, "'");
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
