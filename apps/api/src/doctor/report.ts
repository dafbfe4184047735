import { brokenOnes, type Finding } from './examine.js';
import type { Fixed } from './fix.js';

/** The findings as a table for people: what is well in a line each, what is not with examples and what to do. */
export function toTable(findings: readonly Finding[], fixed?: Fixed): string {
  const nameWidth = Math.max(...findings.map(({ check }) => check.length));
  const verdicts = findings.map(verdictOf);
  const verdictWidth = Math.max(...verdicts.map((verdict) => verdict.length));
  const rows = findings.flatMap((finding, index) => [
    `${finding.check.padEnd(nameWidth)}  ${verdicts[index]?.padEnd(verdictWidth)}  ${finding.holds}`,
    ...examplesOf(finding).map((line) => `    ${line}`),
    ...remediesOf(finding, fixed !== undefined).map((line) => `    What to do: ${line}`),
  ]);
  return `${[...fixesOf(fixed), ...rows, '', summary(findings)].join('\n')}\n`;
}

/** The findings for machines, and before them what was corrected. */
export function toJson(findings: readonly Finding[], fixed?: Fixed): string {
  const report = { healthy: brokenOnes(findings).length === 0, ...fixed, findings };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

function fixesOf(fixed: Fixed | undefined): string[] {
  if (fixed === undefined) return [];
  const { corrected, left } = fixed;
  if (corrected.length + left.length === 0) return ['There was nothing to correct.', ''];
  return [...corrected.map((line) => `Corrected  ${line}`), ...left.map((line) => `Left       ${line}`), ''];
}

/** What to do first is to let it be corrected, unless that has been tried. */
function remediesOf({ discrepancies, isFixable, remedy }: Finding, wasTried: boolean): string[] {
  if (discrepancies === 0) return [];
  return [isFixable && !wasTried ? 'npm run doctor -- --fix' : remedy];
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
