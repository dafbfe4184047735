import { type Damage, describeChecks, useBooks } from '../../../../test/support/doctor-books.js';
import { QUEUE_CHECKS } from './queue-checks.js';

const books = useBooks();
const { order, number } = books;
const move = (n: number, status: string) => `UPDATE orders SET status = '${status}' WHERE id = ${order(n)}`;
const insertJob = (n: number, queue: string, state = 'created') =>
  `INSERT INTO pgboss.job (id, name, state) VALUES (job_id_of(${order(n)}), '${queue}', '${state}')`;

const DAMAGES: readonly Damage[] = [
  {
    check: 'queues/pending-orders',
    what: 'pending orders that no worker will ever see',
    sql: () => `DELETE FROM pgboss.job WHERE id IN (job_id_of(${order(1)}), job_id_of(${order(4)}))`,
    says: () => [1, 4].map((n) => `order ${number(n)} is pending and has no job`),
  },
  {
    check: 'queues/pending-orders',
    what: 'an order whose job lies only among the dead ones',
    sql: () => `UPDATE pgboss.job SET name = 'orders-dead' WHERE id = job_id_of(${order(1)})`,
    says: () => [`order ${number(1)} is pending and has no job`],
  },
  {
    check: 'queues/jobs-belong',
    what: 'jobs of orders that do not wait, or do not exist',
    sql: () =>
      `${move(1, 'cancelled')}; ${insertJob(2, 'orders')}; ${move(4, 'processing')}; ${insertJob(99, 'orders')}`,
    says: () => [
      `${number(1)}: its job is created, the order is cancelled`,
      `${number(2)}: its job is created, the order is delivered`,
      `${number(4)}: its job is created, the order is processing`,
      `${number(99)}: its job is created, the order does not exist`,
    ],
  },
  {
    check: 'queues/jobs-belong',
    what: 'jobs that seem to be with a worker, and one that has ended and stayed',
    sql: () => `UPDATE pgboss.job SET state = 'active' WHERE id = job_id_of(${order(1)});
                ${insertJob(3, 'orders', 'active')}; ${insertJob(2, 'orders', 'completed')}`,
    says: () => [
      `${number(1)}: its job is active, the order is pending`,
      `${number(2)}: its job is completed, the order is delivered`,
      `${number(3)}: its job is active, the order is cancelled`,
    ],
  },
  {
    check: 'queues/dead-belong',
    what: 'dead jobs of orders that go on, have ended well or do not exist',
    sql: () => [1, 2, 99].map((n) => insertJob(n, 'orders-dead')).join(';'),
    says: () => [
      `${number(1)}: its job is created, the order is pending`,
      `${number(2)}: its job is created, the order is delivered`,
      `${number(99)}: its job is created, the order does not exist`,
    ],
  },
];

describeChecks('the checks of queues', books, QUEUE_CHECKS, DAMAGES);

describe('the checks of queues find nothing wrong', () => {
  const found = async (sql: string) =>
    (await books.damaged(sql)).filter(({ check }) => check.startsWith('queues/'));

  it('with an order that is with a worker', async () => {
    const toWorker = `${move(1, 'processing')}; UPDATE pgboss.job SET state = 'active' WHERE id = job_id_of(${order(1)})`;
    expect(await found(toWorker)).toEqual([]);
  });

  it('with a failed order among the dead ones', async () => {
    expect(await found(`${move(2, 'failed')}; ${insertJob(2, 'orders-dead')}`)).toEqual([]);
  });

  it('with a dead one of a month that was detached', async () => {
    const dead = `INSERT INTO pgboss.job (id, name) VALUES (job_id_of(202001010000000001), 'orders-dead')`;
    expect(await found(dead)).toHaveLength(1);
    expect(await found(`INSERT INTO settings VALUES ('detached_until', '202001'); ${dead}`)).toEqual([]);
  });
});
