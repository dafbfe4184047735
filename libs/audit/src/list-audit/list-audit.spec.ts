import { QueryBus } from '@nestjs/cqrs';
import { Test, type TestingModule } from '@nestjs/testing';
import fc from 'fast-check';

import { loadConfig, PlatformModule } from '@daybook/platform';

import { createTestDatabase, type TestDatabase } from '../../../../test/support/database.js';
import { AuditModule } from '../audit.module.js';
import type { ListAuditRequest } from './list-audit.dto.js';
import { ListAudit } from './list-audit.query.js';

let database: TestDatabase;
let module: TestingModule;

beforeAll(async () => {
  database = await createTestDatabase();
  const config = loadConfig({ AUTH_JWT_SECRET: 'x'.repeat(32) });
  module = await Test.createTestingModule({
    imports: [PlatformModule.forRoot({ ...config, databaseUrl: database.url }), AuditModule],
  }).compile();
  await module.init();
  await database.query(
    `SELECT make_partitions(month) FROM unnest(ARRAY['202609', '202610', '202611']) AS month`,
  );
});
afterAll(async () => {
  await module.close();
  await database.drop();
});

const list = (input: ListAuditRequest) => module.get(QueryBus).execute(new ListAudit(input));

interface Row {
  readonly at: Date;
  readonly actor: string;
  readonly type: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number | null;
}

// Few enough of each that many rows share one, and with it the border of a month.
const times = fc
  .constantFrom(
    '2026-09-30T23:59:59.998Z',
    '2026-09-30T23:59:59.999Z',
    '2026-10-01T00:00:00.000Z',
    '2026-10-17T12:00:00.000Z',
    '2026-11-01T00:00:00.000Z',
    '2026-11-20T12:00:00.123Z',
  )
  .map((text) => new Date(text));
const actors = fc.constantFrom('alice', 'bob', 'daybook', 'operator-1');
const types = fc.constantFrom('order.placed', 'order.status_changed', 'reservation.expired', 'kettle.boiled');
const entityTypes = fc.constantFrom('order', 'reservation', 'kettle');
const entityIds = fc.constantFrom('20261001-00001', '20261120-00007', 'blue');

const rows = fc.record({
  ...{ at: times, actor: actors, type: types, entityType: entityTypes, entityId: entityIds },
  // A second row of a version would be refused, and the database keeps the rows of earlier runs.
  version: fc.constant(null),
});

const filters = {
  entityType: entityTypes,
  entityId: entityIds,
  actor: actors,
  type: types,
  from: times,
  to: times,
};
// Up to three filters: more of them leave too little to turn pages in.
const inputs = fc
  .subarray(Object.keys(filters) as (keyof typeof filters)[], { maxLength: 3 })
  .chain((chosen) =>
    fc.record<ListAuditRequest>({
      ...Object.fromEntries(chosen.map((name) => [name, filters[name] as fc.Arbitrary<unknown>])),
      limit: fc.integer({ min: 5, max: 60 }),
    }),
  )
  .filter(({ from, to }) => from === undefined || to === undefined || from <= to);

const write = (written: readonly Row[]) =>
  database.query(
    `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, version, data)
     SELECT at, actor, 'r', type, "entityType", "entityId", version, '{}'
     FROM jsonb_to_recordset($1) AS row (at timestamptz, actor text, type text, "entityType" text, "entityId" text, version int)`,
    [JSON.stringify(written)],
  );

/** What the list should be: one sorted statement, with every condition there is. */
async function expected({
  entityType,
  entityId,
  actor,
  type,
  from,
  to,
}: ListAuditRequest): Promise<string[]> {
  const found = await database.query<{ position: string }>(
    `SELECT position FROM journal
     WHERE ($1::text IS NULL OR entity_type = $1) AND ($2::text IS NULL OR entity_id = $2)
       AND ($3::text IS NULL OR actor = $3) AND ($4::text IS NULL OR type = $4)
       AND ($5::timestamptz IS NULL OR occurred_at >= $5) AND ($6::timestamptz IS NULL OR occurred_at < $6)
     ORDER BY occurred_at DESC, position DESC`,
    [entityType, entityId, actor, type, from, to],
  );
  return found.map(({ position }) => position);
}

/** The positions of all pages; `between` runs after each. */
async function walk(input: ListAuditRequest, between = async (): Promise<unknown> => undefined) {
  const positions: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await list({ ...input, ...(cursor !== undefined && { cursor }) });
    positions.push(...page.data.map(({ position }) => position));
    expect(page.data.length).toBeLessThanOrEqual(input.limit ?? 50);
    if (page.nextCursor !== null) expect(page.data).toHaveLength(input.limit ?? 50);
    cursor = page.nextCursor;
    await between();
  }
  return positions;
}

describe('the list of everything that happened', () => {
  it('walked by cursor has exactly the rows of one sorted query, whatever the filters and the page size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { maxLength: 10 }), inputs, async (written, input) => {
        await write(written);
        expect(await walk(input)).toEqual(await expected(input));
      }),
      { numRuns: 60 },
    );
  });

  it('neither hides nor repeats a row that was there when the walk began, whatever is written meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(rows), inputs, async (others, input) => {
        const before = await expected(input);
        const walked = await walk(input, () => write([...others.take(3)]));
        expect(new Set(walked).size).toBe(walked.length);
        const known = new Set(before);
        expect(walked.filter((position) => known.has(position))).toEqual(before);
      }),
      { numRuns: 25 },
    );
  });

  it('keeps rows apart that are less than a millisecond apart', async () => {
    const at = [1, 2, 3, 4].map((n) => `2026-10-05T12:00:00.00000${n}Z`);
    await database.query(
      `INSERT INTO journal (occurred_at, actor, request_id, type, entity_type, entity_id, data)
       SELECT at, 'alice', 'r', 't', 'cup', 'red', '{}' FROM unnest($1::timestamptz[]) AS at`,
      [[at[2], at[0], at[3], at[1]]],
    );
    const input = { entityType: 'cup', limit: 1 };
    expect(await walk(input)).toEqual(await expected(input));
    expect(await walk(input)).toHaveLength(4);
  });
});

describe('the indexes it is read by', () => {
  it('are those of the whole journal, in a month that is made later as well', async () => {
    await database.query(`SELECT make_partitions('203005')`);
    const [indexes] = await database.query<{ own: number; ofTheJournal: number }>(
      `SELECT count(*)::int AS own, count(inhparent)::int AS "ofTheJournal"
       FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid = 'journal_203005'::regclass`,
    );
    // Beside them the month's own: by position and by entity.
    expect(indexes).toEqual({ own: 6, ofTheJournal: 4 });
  });
});
