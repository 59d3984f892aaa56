/**
 * Law 5 against SIGKILL: 200 processes are killed in all (a tenth under `npm test`), shared over the file drivers of
 * this runtime, while they open, recover, write, checkpoint, back up and close.
 *
 * A file goes through several kills in a row, so that damage would add up; it is checked where it lies, or in a copy, so
 * that the next victim itself has to recover what the last one left.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { checkFile } from './check.ts';
import type { Receipt } from './collections.ts';
import { createVictim, type Moment } from './kill.ts';
import { FILE_DRIVERS, fileStorage } from './storages.ts';
import type { Line, Phase } from './victim-lines.ts';

const KILLS = Math.ceil(runs(200) / FILE_DRIVERS.length);
const KILLS_PER_FILE = 10;
const STAMPS_PER_VICTIM = 1_000_000;
const PHASES: readonly Phase[] = ['opening', 'writing', 'checkpointing', 'backup', 'closing'];
/** The latest moment at which a victim is killed; it is killed at a random one up to there. */
const LATEST: Readonly<Record<Phase, Moment>> = {
  opening: { kind: 'opening', nth: 1, delayMs: 80 },
  writing: { kind: 'receipt', nth: 60, delayMs: 10 },
  checkpointing: { kind: 'receipt', nth: 40, delayMs: 10 },
  backup: { kind: 'backup', nth: 3, delayMs: 20 },
  closing: { kind: 'closing', nth: 3, delayMs: 20 },
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-kill-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each(FILE_DRIVERS)('%s', (driver) => {
  const random = createRandom(seedFor(`kill, ${driver}`));

  test(`${KILLS} processes are killed, and what they acknowledged is there, whole`, async () => {
    for (let done = 0; done < KILLS; done += KILLS_PER_FILE) {
      await killInARow(driver, join(folder, `${done}.db`), Math.min(KILLS_PER_FILE, KILLS - done), random);
    }
  });
});

async function killInARow(driver: FileDriverName, file: string, kills: number, random: Random): Promise<void> {
  const sentences = Array.from({ length: kills }, (_, round) => {
    const phase = random.pick(PHASES);
    const order = { file, driver, seed: random.integer(2 ** 31), firstStamp: 1 + round * STAMPS_PER_VICTIM, phase };
    return { order, moment: momentIn(phase, random), inPlace: random.chance(0.5) };
  });
  const receipts: Receipt[] = [];
  let next = createVictim(sentences[0]!.order);
  for (const [round, { moment, inPlace }] of sentences.entries()) {
    const victim = next;
    const following = sentences[round + 1];
    if (following !== undefined) next = createVictim(following.order);
    const lines = await victim.kill(moment);
    await checkBackups(driver, lines, receipts);
    receipts.push(...receiptsOf(lines));
    const seen = lines.flatMap((line) => (line.kind === 'seen' ? [line.stamp] : []));
    await checkFile(fileStorage(driver, inPlace ? file : copyOf(file)), receipts, { seen });
  }
}

function momentIn(phase: Phase, random: Random): Moment {
  const { kind, nth, delayMs } = LATEST[phase];
  return { kind, nth: 1 + random.integer(nth), delayMs: random.integer(delayMs + 1) };
}

/** A finished backup holds all that had been acknowledged when it began; of an unfinished one there is nothing, or all. */
async function checkBackups(
  driver: FileDriverName,
  lines: readonly Line[],
  earlier: readonly Receipt[],
): Promise<void> {
  for (const [index, line] of lines.entries()) {
    if (line.kind !== 'backup') continue;
    const finished = lines.some(
      ({ kind, ...rest }) => kind === 'backed-up' && 'file' in rest && rest.file === line.file,
    );
    if (finished) expect(existsSync(line.file)).toBe(true);
    if (!existsSync(line.file)) continue;
    await checkFile(fileStorage(driver, line.file), [...earlier, ...receiptsOf(lines.slice(0, index))]);
  }
}

function receiptsOf(lines: readonly Line[]): readonly Receipt[] {
  return lines.flatMap((line) => (line.kind === 'receipt' ? [line.receipt] : []));
}

/** As a power cut would leave them: without the index of the log, which is never synced. */
function copyOf(file: string): string {
  for (const part of ['', '-wal', '-journal']) {
    rmSync(`${file}-copy${part}`, { force: true });
    if (existsSync(`${file}${part}`)) copyFileSync(`${file}${part}`, `${file}-copy${part}`);
  }
  return `${file}-copy`;
}
