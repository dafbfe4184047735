import { brokenOnes, type Finding } from './examine.js';

/** The findings as a table for people: what is well in a line each, what is not with examples. */
export function toTable(findings: readonly Finding[]): string {
  const nameWidth = Math.max(...findings.map(({ check }) => check.length));
  const verdicts = findings.map(verdictOf);
  const verdictWidth = Math.max(...verdicts.map((verdict) => verdict.length));
  const rows = findings.flatMap((finding, index) => [
    `${finding.check.padEnd(nameWidth)}  ${verdicts[index]?.padEnd(verdictWidth)}  ${finding.holds}`,
    ...examplesOf(finding).map((line) => `    ${line}`),
  ]);
  return `${[...rows, '', summary(findings)].join('\n')}\n`;
}

/** The findings for machines. */
export function toJson(findings: readonly Finding[]): string {
  return `${JSON.stringify({ healthy: brokenOnes(findings).length === 0, findings }, undefined, 2)}\n`;
}

function verdictOf({ discrepancies }: Finding): string {
  return discrepancies === 0 ? 'OK' : count(discrepancies, 'discrepancy', 'discrepancies');
}

function examplesOf({ discrepancies, examples }: Finding): string[] {
  const left = discrepancies - examples.length;
  return left > 0 ? [...examples, `… and ${left.toLocaleString('en')} more`] : [...examples];
}

function summary(findings: readonly Finding[]): string {
  const broken = brokenOnes(findings);
  if (broken.length === 0) return `All ${findings.length} checks hold.`;
  const total = broken.reduce((sum, { discrepancies }) => sum + discrepancies, 0);
  const found = count(total, 'discrepancy', 'discrepancies');
  return `${broken.length} of ${findings.length} checks do not hold: ${found}.`;
}

function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}
