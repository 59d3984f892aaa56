/** Planted: a copy of the source with one planted bug, in which the simulation looks for it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import type { PlantedBug } from './bugs.ts';

export const ROOT = normalize(join(import.meta.dirname, '../..'));
const COPIED = [
  'query',
  'storage',
  'engine',
  'net',
  'bindings',
  'errors.ts',
  'index.ts',
  'test/simulate',
  'package.json',
  'tsconfig.json',
];
/** After which a search is given up, found or not. */
const MAX_SEARCH_MS = 10 * 60_000;

/** What the search printed: no seed where it found nothing. */
export interface Search {
  readonly seed: number | null;
  readonly step?: number;
  /** Over all seeds. */
  readonly events: number;
  readonly violation?: string;
}

/** How often the edit's place is found: exactly once, or it does not apply. */
export function placesOf({ file, find }: PlantedBug): number {
  return readFileSync(join(ROOT, file), 'utf8').split(find).length - 1;
}

/** - `budget`: events until it is given up. */
export async function searchFor(bug: PlantedBug, budget: number): Promise<Search> {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-planted-'));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir');
    const path = join(folder, bug.file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.split(bug.find).join(bug.replace));
    return await search(folder, bug, budget);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function search(folder: string, { seed = 1, steps, faults }: PlantedBug, budget: number): Promise<Search> {
  const asked = ['--budget', String(budget), '--seed', String(seed)];
  if (steps !== undefined) asked.push('--steps', String(steps));
  if (faults !== undefined) asked.push('--faults', faults.length === 0 ? 'none' : faults.join());
  const args = ['--import', import.meta.resolve('tsx'), 'test/simulate/main.ts', ...asked];
  const child = spawn(process.execPath, args, { cwd: folder, timeout: MAX_SEARCH_MS });
  let [printed, failed] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => {
    printed += bytes;
  });
  child.stderr.on('data', (bytes: Buffer) => {
    failed += bytes;
  });
  await once(child, 'close');
  const line = printed.trim().split('\n').at(-1) ?? '';
  if (line.startsWith('{')) return JSON.parse(line) as Search;
  // A bug that ends the process is found, too.
  return { seed: 0, events: 0, violation: `the process ended: ${failed.slice(-500)}` };
}
