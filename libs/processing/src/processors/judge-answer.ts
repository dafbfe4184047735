import { type Deferred, ProcessingRefused } from '../order-processor.js';
import type { ServiceAnswer } from './post.js';

const ACCEPTED = 202;
/** Request timeout, too early, too many requests: refusals of the moment, not of the order. */
const TRY_AGAIN = [408, 425, 429];
const LONGEST_EXCERPT = 300;

/**
 * What a service's answer means for the order it was sent.
 * @throws {ProcessingRefused} for a 4xx that another attempt would get again
 */
export function judgeAnswer(
  { status, text }: ServiceAnswer,
  callbackTimeoutSeconds: number,
): Deferred | undefined {
  if (status === ACCEPTED) return { deferredForSeconds: callbackTimeoutSeconds };
  if (status >= 200 && status < 300) return undefined;
  const excerpt = excerptOf(text);
  const message = `The fulfilment service answered ${status}${excerpt === '' ? '' : `: ${excerpt}`}`;
  const isForGood = status >= 400 && status < 500 && !TRY_AGAIN.includes(status);
  throw isForGood ? new ProcessingRefused(message) : new Error(message);
}

/** What problem details (RFC 9457) say, as one short line that a database can store and a log can show. */
function excerptOf(text: string): string {
  const { detail, title } = parseObject(text);
  const words = [detail, title].find((value) => typeof value === 'string' && value.trim() !== '');
  if (typeof words !== 'string') return '';
  // Control characters, directions of writing, halves of surrogate pairs: of these a stranger can make what they like.
  return words
    .slice(0, LONGEST_EXCERPT)
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
}

function parseObject(text: string): { readonly detail?: unknown; readonly title?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
