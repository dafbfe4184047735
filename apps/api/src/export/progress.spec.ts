import { duration, Progress, progressLine } from './progress.js';

describe('the progress of an export', () => {
  it.each([
    [{ rows: 0, total: 1_000, seconds: 0 }, '[------------------------] 0 of about 1,000, 0 a second'],
    [
      { rows: 250_000, total: 1_000_000, seconds: 20 },
      '[######------------------] 250,000 of about 1,000,000, 12,500 a second, 60 s left',
    ],
    // The estimate was too low.
    [
      { rows: 1_200, total: 1_000, seconds: 1 },
      '[########################] 1,200 of about 1,200, 1,200 a second, 0 s left',
    ],
    [{ rows: 500, total: undefined, seconds: 2 }, '500 orders, 250 a second'],
    [{ rows: 0, total: 0, seconds: 1 }, '[------------------------] 0 of about 1, 0 a second'],
  ])('%j is told as %s', (reached, line) => {
    expect(progressLine(reached)).toBe(line);
  });

  it.each([
    [0, '0 s'],
    [59.2, '60 s'],
    [150, '3 min'],
    [7_500, '2 h 5 min'],
  ])('takes %d s: %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it('is drawn on a terminal that is narrow, and nowhere else', () => {
    const drawn: string[] = [];
    const terminal = { columns: 20, write: (text: string) => drawn.push(text) > 0 };
    const silent = new Progress(10, { ...terminal, isTTY: false });
    silent.update(5);
    silent.pause('waiting');
    silent.end();
    expect(drawn).toEqual([]);
    const shown = new Progress(10, { ...terminal, isTTY: true });
    shown.update(5);
    shown.update(6);
    shown.pause('The connection broke. Trying again.');
    shown.end();
    expect(drawn).toEqual(['\r\x1b[K[############------', '\r\x1b[K6 orders; The conne', '\r\x1b[K']);
  });
});
