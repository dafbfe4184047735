import fc from 'fast-check';

import { ClientOrderIdTaken } from '../exchange-order.errors.js';
import { decideNames, NamedTwice, orderName } from './decide-names.js';

const request = fc.record({
  customerId: fc.constantFrom('alice', 'bob'),
  clientOrderId: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
});

describe('the names of a batch', () => {
  it('go to whoever came first, in the books or in the batch', () => {
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 12 }),
        fc.array(request, { maxLength: 3 }),
        (batch, before) => {
          const known = new Map(
            before.flatMap(({ customerId, clientOrderId }, index) =>
              clientOrderId === undefined
                ? []
                : [[orderName(customerId, clientOrderId), `X${index}`] as const],
            ),
          );
          const decisions = decideNames(batch, known);
          for (const [index, { customerId, clientOrderId }] of batch.entries()) {
            const decision = decisions[index];
            if (clientOrderId === undefined) {
              expect(decision).toBeUndefined();
              continue;
            }
            const owner = known.get(orderName(customerId, clientOrderId));
            const first = batch.findIndex(
              (other) => other.customerId === customerId && other.clientOrderId === clientOrderId,
            );
            if (owner !== undefined) expect(decision).toEqual(new ClientOrderIdTaken(clientOrderId, owner));
            else if (first === index) expect(decision).toBeUndefined();
            else expect(decision).toEqual(new NamedTwice(first));
          }
        },
      ),
      { seed: 20261121 },
    );
  });
});
