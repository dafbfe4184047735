import { PARTITIONS } from './execution-bus.js';

/**
 * The part of the stream that an order's reports belong to: FNV-1a over the code units of its ClOrdID. What is on its way
 * has been split by it, so it stays as it is.
 */
export function partitionOf(orderRef: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < orderRef.length; index += 1)
    hash = Math.imul(hash ^ orderRef.charCodeAt(index), 0x01000193);
  // The low bits alone tell neighbours apart badly.
  return ((hash ^ (hash >>> 15)) >>> 0) % PARTITIONS;
}
