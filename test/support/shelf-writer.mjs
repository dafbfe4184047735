// A process that changes shelves and journals it: `node shelf-writer.mjs <json>`. Shelves are locked one after the other in
// one order, with pauses, so that transactions wait for each other when they have their ids already; some roll back.
import { setTimeout as pause } from 'node:timers/promises';

import pg from 'pg';

const { url, seed, shelves, transactions } = JSON.parse(process.argv[2]);
const client = new pg.Client({ connectionString: url });
await client.connect();

let state = seed;
/** From 0 up to, not including, `end` (mulberry32, as `Random` of the tests). */
function random(end) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
}

// As the journal itself appends: with an id before the first position.
const APPEND = `
  INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
  SELECT business_now(), $1, 'request-1', 'shelf.changed', 'shelf', id, version, '{}'
  FROM unnest($2::text[], $3::int[]) AS entry (id, version) WHERE pg_current_xact_id() IS NOT NULL`;

async function change(ids) {
  const versions = [];
  for (const id of ids) {
    const text = 'UPDATE shelves SET version = version + 1 WHERE id = $1 RETURNING version';
    const { rows } = await client.query({ name: 'lock', text, values: [id] });
    versions.push(rows[0].version);
    await pause(random(4));
  }
  await client.query({ name: 'append', text: APPEND, values: [`writer ${seed}`, ids, versions] });
  // Some commit at once, and overtake others who have taken their positions before.
  if (random(2) === 0) await pause(random(30));
}

for (let count = 0; count < transactions; count += 1) {
  const chosen = new Set(Array.from({ length: 1 + random(4) }, () => random(shelves)));
  await client.query('BEGIN');
  await change([...chosen].sort((a, b) => a - b));
  await client.query(random(6) === 0 ? 'ROLLBACK' : 'COMMIT');
  await pause(random(4));
}
await client.end();
