const LIVE = process.stderr.isTTY === true;

/** Overwrites the line below the output with what is going on. Silent where nobody watches. */
export function showProgress(text: string): void {
  if (LIVE) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

/** Writes a line that stays. */
export function say(text = ''): void {
  if (LIVE) process.stderr.write('\r\x1b[K');
  console.log(text);
}

/** A table with its first column to the left and the figures to the right. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? '').length)),
  );
  const line = (row: string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '─'.repeat(width)).join('──'), ...rows.map(line)].join('\n');
}

/** 8123.4 reads 8,123; 1.234 reads 1.23. */
export function figure(number: number): string {
  if (!Number.isFinite(number)) return '–';
  const digits = Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2;
  return number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
