import type { KeepAliveClient, WireAnswer } from '../support/keep-alive-client.js';
import type { Booking, Ledger, Placement } from './ledger.js';

/** What the clients want: ample stock of the first, never any of the scarce one. */
export const CATALOGUE = {
  skus: Array.from({ length: 40 }, (_, index) => `CHAOS-${String(index + 1).padStart(2, '0')}`),
  scarceSku: 'CHAOS-SCARCE',
  /** Only ever reserved for a second: there is enough as long as what is overdue is given back. */
  tightSku: 'CHAOS-TIGHT',
} as const;

/** Sends the wish, for the first time or again; undefined when the connection broke. */
export function attempt(
  client: KeepAliveClient,
  { path, key, body }: Placement | Booking,
): Promise<WireAnswer | undefined> {
  return send(client, `/api/v1${path}`, body, { headers: { 'idempotency-key': key, 'x-request-id': key } });
}

/** Writes down what was answered, and protests against what should not have been. */
export function note(wish: Placement | Booking, answer: WireAnswer, ledger: Ledger): 'settled' | 'try again' {
  const { status, text } = answer;
  if (status === 201) {
    ledger.make(wish, text);
    return 'settled';
  }
  if (status === 503) {
    if (isUnknown(answer)) wish.isInDoubt = true;
    if (wish.state === 'unanswered') wish.state = 'declined';
    return 'try again';
  }
  if (wish.answer === undefined && isRefusal(wish, answer)) {
    Object.assign(wish, { state: 'refused', isInDoubt: false });
  } else {
    ledger.protests.push(`${wish.key} (${JSON.stringify(wish.body)}): ${status} ${text}`);
  }
  return 'settled';
}

/** Whether there was reason to refuse it: the stock of some products is short, and reservations run out. */
function isRefusal(wish: Placement | Booking, answer: WireAnswer): boolean {
  if (wish.path === '/orders' && wish.booking !== undefined) return noteExpiry(wish.booking, answer);
  const { status, text } = answer;
  const isShort = text.includes(CATALOGUE.scarceSku) || text.includes(CATALOGUE.tightSku);
  return status === 409 && text.includes('insufficient_stock') && isShort;
}

/** Whether an answer says that a reservation has expired; that must then be true. */
export function noteExpiry(booking: Booking, { status, text }: WireAnswer): boolean {
  if (status !== 409) return false;
  const { code, reservationStatus } = JSON.parse(text) as Record<string, unknown>;
  const isExpired = code === 'reservation_not_active' && reservationStatus === 'expired';
  if (isExpired) booking.isToldExpired = true;
  return isExpired;
}

/** The one refusal that does not say "Nothing was done". */
export function isUnknown({ status, text }: WireAnswer): boolean {
  return status === 503 && !text.includes('Nothing was done');
}

export async function send(
  client: KeepAliveClient,
  path: string,
  body: object,
  options: { method?: string; headers: Record<string, string> },
): Promise<WireAnswer | undefined> {
  try {
    return await client.ask(path, body, options);
  } catch {
    // The server was killed: that is what the campaign is about.
    return undefined;
  }
}
