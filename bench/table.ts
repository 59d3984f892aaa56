/** The results as text: one line per figure, columns aligned, those that miss their reach marked. */
import { type Figure, isReached, type Reach } from './figure.ts';

const HEADINGS = ['bench', 'ours', 'limit', 'ratio', 'reach', 'ok', 'baseline'] as const;

/** `baseline`: the scores of an earlier run by figure name, for the last column. */
export function printTable(figures: readonly Figure[], baseline: ReadonlyMap<string, number> = new Map()): string {
  const lines = figures.map((figure) => [
    figure.name,
    `${printNumber(figure.ours)} ${figure.unit}`,
    figure.limit === null ? '-' : `${printNumber(figure.limit)} ${figure.unit}`,
    figure.limit === null ? '-' : printNumber(figure.score),
    printReach(figure.reach, figure),
    isReached(figure) ? 'yes' : 'MISSED',
    printNumber(baseline.get(figure.name) ?? Number.NaN),
  ]);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...lines.map((line) => line[column]!.length)),
  );
  const align = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [align(HEADINGS), align(widths.map((width) => '-'.repeat(width))), ...lines.map(align)].join('\n');
}

/** Three significant digits, or whole from 100 on; `-` for what is not there. */
export function printNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function printReach(reach: Reach, figure: Figure): string {
  switch (reach.kind) {
    case 'at least':
      return `>= ${reach.bound}`;
    case 'at most':
      return `<= ${reach.bound}`;
    case 'no more than':
      return `<= ${reach.bound} ${figure.unit}`;
  }
}
