import { NormalShare } from './normal-share.js';

/** How many normal orders are asked for, one claim after the other, when each claim gets what it asks for. */
function shares(counts: readonly number[], isDue = true): number[] {
  const share = new NormalShare();
  share.isDue = isDue;
  return counts.map((count) => {
    const normal = share.of(count);
    share.note(count);
    return normal;
  });
}

it('normal orders that have not waited long enough have no share', () => {
  expect(shares([10, 1, 100], false)).toEqual([0, 0, 0]);
});

it('every tenth order is a normal one, however they are claimed', () => {
  expect(shares(Array.from({ length: 20 }, () => 1))).toEqual([
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ]);
  expect(shares([10, 10, 10])).toEqual([1, 1, 1]);
  expect(shares([4, 4, 4, 4, 4])).toEqual([0, 0, 1, 0, 1]);
  expect(shares([25, 25])).toEqual([2, 3]);
});

it('what was asked for and not there does not count', () => {
  const share = new NormalShare();
  share.isDue = true;
  expect(share.of(9)).toBe(0);
  share.note(0);
  expect(share.of(9)).toBe(0);
  share.note(9);
  expect(share.of(1)).toBe(1);
});
