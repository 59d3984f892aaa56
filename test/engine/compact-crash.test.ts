/** Compaction over a storage that fails at each of its calls: what is left is whole, and can be gone on with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createCompactor } from '../../engine/compact.ts';
import { openDurable } from '../../engine/open-durable.ts';
import { collection, integer, TendrilError, text } from '../../index.ts';
import { sqliteFile } from '../../storage/drivers/index.ts';
import { encodeOperation, type Position } from '../../storage/index.ts';
import { type DriverFault, faultyDriver } from '../support/faulty-driver.ts';
import { randomGraph } from '../support/graphs.ts';
import { createTestClock, createTestRandom } from '../support/ports.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';

const Note = collection('note', { title: text().optional(), stars: integer().default(3) });
const PROPERTIES = [
  { name: 'stars', values: [0n, 3n, 5n] },
  { name: 'title', values: [null, '', 'a'] },
];
const folder = mkdtempSync(join(tmpdir(), 'compact-'));
afterAll(() => rmSync(folder, { recursive: true }));

const random = createRandom(seedFor('compact-crash'));
const GRAPH = { collection: 'note', properties: PROPERTIES, authors: 2, entities: 3, transactions: 40 };
const operations = randomGraph(random, GRAPH).map((transaction) => transaction.operations.map(encodeOperation));

async function open(path: string, fault: DriverFault) {
  let calls = () => 0;
  const storage = {
    open: async () => {
      const made = faultyDriver(await sqliteFile(path).open(), fault);
      calls = made.calls;
      return made.driver;
    },
  };
  const ports = { clock: createTestClock(), random: createTestRandom(1) };
  const parts = await openDurable({ collections: [Note], storage, ports, onError: () => undefined });
  return { ...parts, calls: () => calls() };
}

const NEVER = { at: -1, code: 'SQLITE_IOERR', rollsBack: true } as const;

type Opened = Awaited<ReturnType<typeof open>>;

/** All rows with what stands beside them, but for the position, which is each node's own. */
function rowsOf({ core }: Opened): unknown {
  return core.driver.all('SELECT id, title, stars, _head, _versions, _deleted, _extra FROM _note ORDER BY id');
}

const logOf = ({ core }: Opened) => core.log.since(0 as Position, 10_000).map(({ bytes }) => bytes);
const KEEP = { keepMs: 0, keepOperations: 20 };
const inSmallTurns = ({ core, queue }: Opened) =>
  createCompactor({ core, queue, places: () => [], turnOperations: 20 })(KEEP);

test('whatever call of a compaction fails, chain and rows hold, and the next one goes on', {
  timeout: 120_000,
}, async () => {
  const step = 10 / runs(10);
  let reached = true;
  const whole = await open(join(folder, 'whole.db'), NEVER);
  for (const group of operations) await whole.ingester.ingest(group);
  await whole.compact(KEEP);
  const compactedLog = logOf(whole);
  whole.core.driver.close();
  for (let call = 1 + random.integer(step); reached; call += step) {
    const path = join(folder, `${call}.db`);
    const made = await open(path, NEVER);
    for (const group of operations) await made.ingester.ingest(group);
    const rows = rowsOf(made);
    made.core.driver.close();
    const opening = await open(path, NEVER);
    const at = opening.calls() + call;
    opening.core.driver.close();

    const failing = await open(path, { at, code: 'SQLITE_FULL', rollsBack: random.chance(0.5) });
    const compacted = await inSmallTurns(failing).catch((error: unknown) => error);
    reached = failing.calls() >= at;
    expect(compacted instanceof TendrilError, `call ${call}`).toBe(reached);
    if (reached) expect([failing.core.log.verifyChain(), rowsOf(failing)]).toEqual([null, rows]);
    failing.core.driver.close();

    const again = await open(path, NEVER);
    expect([again.core.log.verifyChain(), rowsOf(again)]).toEqual([null, rows]);
    await inSmallTurns(again);
    expect(logOf(again), 'as if it had not failed').toEqual(compactedLog);
    expect([again.core.log.verifyChain(), rowsOf(again)]).toEqual([null, rows]);
    const copy = await open(join(folder, `${call}-copy.db`), NEVER);
    expect(await copy.ingester.ingest(logOf(again))).toMatchObject({ refused: [], parked: 0 });
    expect(rowsOf(copy)).toEqual(rows);
    copy.core.driver.close();
    again.core.driver.close();
  }
});
