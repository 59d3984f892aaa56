/**
 * `npm run bench [-- name ...] [--short] [--baseline]`: every figure beside its limit, measured in the same run (see README.md).
 *
 * Prints the table, writes bench/results.json, and with `--baseline` bench/baseline.json as well. Ends with 0 when
 * every bench ran to its end, whatever the table says about reach.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BENCHES } from './all.ts';
import { runApart, runAsChild } from './apart.ts';
import { type Figure, isReached } from './figure.ts';
import { printTable } from './table.ts';

const PROGRAM = fileURLToPath(import.meta.url);
const RESULTS = new URL('./results.json', import.meta.url);
const BASELINE = new URL('./baseline.json', import.meta.url);

interface Results {
  readonly node: string;
  readonly processor: string;
  readonly figures: readonly Figure[];
}

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    child: { type: 'string' },
    baseline: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
  },
});
const pace = { isShort: options.short };
const child = BENCHES.find((bench) => bench.name === options.child);
if (child) await runAsChild(child, pace);
else await runAll();

async function runAll(): Promise<void> {
  const chosen = BENCHES.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)));
  if (chosen.length === 0)
    console.error(`No bench has such a name. There are: ${BENCHES.map(({ name }) => name).join(', ')}.`);
  const figures: Figure[] = [];
  const start = performance.now();
  const tell = (text: string) =>
    console.error(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${text}`);
  for (const [place, bench] of chosen.entries()) {
    const title = `${place + 1}/${chosen.length} ${bench.name}`;
    tell(title);
    await runApart(PROGRAM, bench, pace, {
      figure: (figure) => figures.push(figure),
      said: (what) => tell(`${title}: ${what}`),
    }).catch((error: Error) => {
      process.exitCode = 1;
      tell(`${error.message}; its figures are missing`);
    });
  }
  const before = readBaseline();
  console.log(`\n${printTable(figures, new Map(before.map(({ name, score }) => [name, score])))}\n`);
  console.log(summaryOf(figures));
  write(RESULTS, figures);
  if (options.baseline) {
    const measured = new Set(figures.map(({ name }) => name));
    write(BASELINE, [...before.filter(({ name }) => wanted.length > 0 && !measured.has(name)), ...figures]);
  }
}

function summaryOf(figures: readonly Figure[]): string {
  const missed = figures.filter((figure) => !isReached(figure));
  if (missed.length === 0) return `All ${figures.length} figures reach what they should.`;
  return `${missed.length} of ${figures.length} figures miss their reach: ${missed.map(({ name }) => name).join('; ')}.`;
}

function readBaseline(): readonly Figure[] {
  try {
    return (JSON.parse(readFileSync(BASELINE, 'utf8')) as Results).figures;
  } catch {
    return []; // none was written yet
  }
}

function write(file: URL, figures: readonly Figure[]): void {
  const results: Results = { node: process.version, processor: `${cpus().length} x ${cpus()[0]?.model}`, figures };
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}
